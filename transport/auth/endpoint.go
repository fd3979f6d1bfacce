package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"p2p-messaging/actors"
)

const (
	// endpointRequests is how many requests to the endpoint may be under way.
	endpointRequests = 32
	// maxAnswer bounds an answer of the endpoint, in bytes.
	maxAnswer = 16 << 10
)

const refusalEndpoint = "Your token does not hold for this login. Get a new one and log in again."

// endpoint asks an HTTP endpoint whether tokens hold. Its answers are not remembered.
//
// It sends {"login":…,"token":…} by POST. The token holds if the answer has status 204, or status 200 and either no body or a JSON
// object. The member expires of that says when the token ends, in Unix seconds. It does not hold with status 401 or 403. With any
// other answer, and with none, nobody knows; it does not hold either then.
type endpoint struct {
	logger *slog.Logger
	url    *url.URL
	client *http.Client
	down   outage
}

func newEndpoint(o Options) (*endpoint, error) {
	u, err := parseURL("--auth-url", o.URL)
	if err != nil {
		return nil, err
	}
	warnOfPlainText(o.Logger, "--auth-url", u, "whoever can read it on its way sees the tokens, and whoever can change the answer logs in as anybody")
	return &endpoint{logger: o.Logger, url: u, client: newClient(endpointRequests)}, nil
}

func (e *endpoint) reload() error { return nil }

func (e *endpoint) close() { e.client.CloseIdleConnections() }

// errRefused says that the endpoint refuses a token.
var errRefused = errors.New("refused")

// look implements judge.
func (e *endpoint) look(c *check) (v actors.Verdict, pending bool) {
	ends, err := e.ask(c)
	switch {
	case err == nil && !ends.IsZero() && !time.Now().Before(ends):
		v.Refusal = refusalEnded
	case err == nil:
		v.Ends = ends
	case errors.Is(err, errRefused):
		v.Refusal = refusalEndpoint
	default:
		if e.down.begins() {
			e.logger.Warn("nobody can log in, because the endpoint that knows tokens cannot be used: --auth-url: " + e.url.Host + ": " + err.Error())
		}
		v.Refusal = refusalUnchecked
	}
	return v, false
}

// ask asks the endpoint whether a token holds, and until when.
func (e *endpoint) ask(c *check) (ends time.Time, err error) {
	question, err := json.Marshal(struct {
		Login string `json:"login"`
		Token string `json:"token"`
	}{c.Login.Shown, c.Token})
	if err != nil {
		return time.Time{}, err
	}
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, e.url.String(), bytes.NewReader(question))
	if err != nil {
		return time.Time{}, cause(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	answer, err := e.client.Do(request)
	if err != nil {
		return time.Time{}, cause(err)
	}
	defer answer.Body.Close()
	// The body is read whatever the status is, because only then the connection can be used again.
	body, err := bodyOf(answer, maxAnswer)
	switch answer.StatusCode {
	case http.StatusOK, http.StatusNoContent:
	case http.StatusUnauthorized, http.StatusForbidden:
		return time.Time{}, errRefused
	default:
		return time.Time{}, fmt.Errorf("it answers with status %d, and only 200, 204, 401 and 403 mean something", answer.StatusCode)
	}
	switch {
	case err != nil:
		return time.Time{}, err
	case len(bytes.TrimSpace(body)) == 0:
		return time.Time{}, nil
	}
	return endOf(body)
}

// endOf returns what an answer says about the end of the token. The zero time means never.
func endOf(body []byte) (time.Time, error) {
	var said map[string]json.RawMessage
	if err := json.Unmarshal(body, &said); err != nil || said == nil {
		return time.Time{}, errors.New("its answer is not a JSON object")
	}
	text, ok := said["expires"]
	if !ok {
		return time.Time{}, nil
	}
	var seconds float64
	if err := json.Unmarshal(text, &seconds); err != nil || string(text) == "null" {
		return time.Time{}, errors.New("the member expires of its answer is no number")
	}
	return time.Unix(int64(max(1, min(seconds, float64(lastEnd.Unix())))), 0), nil
}
