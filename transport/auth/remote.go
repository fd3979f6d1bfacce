package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// keysAge is how long keys from a URL are used before they are read again.
	keysAge = 5 * time.Minute
	// renewInterval is the shortest time between two reads because of tokens that name a key which is not known.
	renewInterval = 5 * time.Second
	// answerTimeout bounds the time for one request, its answer included.
	answerTimeout = 5 * time.Second
	// outageInterval is the shortest time between two log lines about the same trouble.
	outageInterval = time.Minute
)

// outage bounds what is logged about one kind of trouble.
type outage struct{ logged atomic.Int64 }

// begins reports whether the trouble is to be logged now.
func (o *outage) begins() bool {
	now, last := time.Now().UnixNano(), o.logged.Load()
	return (last == 0 || now-last >= int64(outageInterval)) && o.logged.CompareAndSwap(last, now)
}

// newClient returns a client for a server of the operator. It follows no redirect: nobody else is asked.
func newClient(connections int) *http.Client {
	return &http.Client{
		Timeout:       answerTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			MaxConnsPerHost:        connections,
			MaxIdleConnsPerHost:    connections,
			IdleConnTimeout:        90 * time.Second,
			TLSHandshakeTimeout:    answerTimeout,
			MaxResponseHeaderBytes: 16 << 10,
			DisableCompression:     true,
			ForceAttemptHTTP2:      true,
		},
	}
}

// cause returns an error of a client without the URL, which may have a password.
func cause(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		if wrapped.Timeout() {
			return fmt.Errorf("no answer in %v", answerTimeout)
		}
		return wrapped.Err
	}
	return err
}

// remoteKeys are the keys at a URL. They are read when the first token needs them, then from time to time, and when a token names a
// key that is not known. While they cannot be read, those of before stay in use.
type remoteKeys struct {
	logger *slog.Logger
	url    *url.URL
	client *http.Client
	down   outage

	current atomic.Pointer[keySet] // without keys until they are read for the first time

	mu      sync.Mutex
	begun   time.Time // of the last read
	reading bool
	failed  bool // the last read has failed
	waiting line // checks that go on after the read
}

func newRemoteKeys(o Options) (*remoteKeys, error) {
	u, err := parseURL("--auth-jwt-jwks", o.JWKS)
	if err != nil {
		return nil, err
	}
	warnOfPlainText(o.Logger, "--auth-jwt-jwks", u, "whoever can change the answer on its way puts in a key of his own, and logs in as anybody")
	r := &remoteKeys{logger: o.Logger, url: u, client: newClient(2)}
	r.current.Store(new(keySet))
	return r, nil
}

func (r *remoteKeys) get() (keys *keySet, fresh bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	interval := keysAge
	if r.failed {
		interval = renewInterval
	}
	if !r.begun.IsZero() && time.Since(r.begun) >= interval {
		r.begin()
	}
	keys = r.current.Load()
	return keys, keys.keys != nil && !r.failed
}

func (r *remoteKeys) renew(c *check, seen *keySet) bool {
	r.mu.Lock()
	if !r.reading && r.current.Load() != seen { // they have come since the check looked
		r.mu.Unlock()
		c.again()
		return true
	}
	if !r.reading && !r.begun.IsZero() && time.Since(r.begun) < renewInterval {
		r.mu.Unlock()
		return false
	}
	out := r.waiting.put(c)
	r.begin()
	r.mu.Unlock()
	if out != nil {
		out.queue.refuse(out)
	}
	return true
}

// begin makes a goroutine read the keys, if none does. The caller holds mu.
func (r *remoteKeys) begin() {
	if !r.reading {
		r.reading, r.begun = true, time.Now()
		go r.read()
	}
}

// read reads the keys, and calls those that wait for them.
func (r *remoteKeys) read() {
	err := r.take()
	r.mu.Lock()
	waiting := r.waiting
	r.waiting, r.reading, r.failed = line{}, false, err != nil
	r.mu.Unlock()
	for c := waiting.next(anybody); c != nil; c = waiting.next(anybody) {
		c.again()
	}
}

// anybody lets every address have its turn.
func anybody(uint64) bool { return true }

func (r *remoteKeys) reload() error {
	r.down.logged.Store(0) // what is wrong is logged again
	err := r.take()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begun, r.failed = time.Now(), err != nil
	return err
}

// take reads the keys.
func (r *remoteKeys) take() error {
	keys, err := r.fetch()
	if err != nil {
		err = fmt.Errorf("--auth-jwt-jwks: %s: %w", r.url.Host, err)
		if r.down.begins() {
			r.logger.Warn("the keys that sign tokens cannot be read: " + err.Error() + r.consequence())
		}
		return err
	}
	r.down.logged.Store(0)
	if before := r.current.Swap(&keySet{keys}); !slices.EqualFunc(before.keys, keys, func(a, b publicKey) bool { return a.id == b.id }) {
		r.logger.Info("the keys that sign tokens were read", slog.String("from", r.url.Host), slog.Int("keys", len(keys)))
	}
	return nil
}

// consequence says what it means that the keys cannot be read, and what to do.
func (r *remoteKeys) consequence() string {
	if r.current.Load().keys != nil {
		return ". Those of before stay in use"
	}
	return ". Until they are read, nobody can log in with a token that is signed with one. Check on this machine, as with curl, " +
		"that the URL answers with a JWK set. The service tries again with a login, every 5 s at most, and on SIGHUP"
}

func (r *remoteKeys) fetch() ([]publicKey, error) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, r.url.String(), nil)
	if err != nil {
		return nil, cause(err)
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	answer, err := r.client.Do(request)
	if err != nil {
		return nil, cause(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, refusedWith(answer)
	}
	document, err := bodyOf(answer, maxDocument)
	if err != nil {
		return nil, err
	}
	return parseKeys(document)
}

// bodyOf returns the body of an answer, which has most bytes at most.
func bodyOf(answer *http.Response, most int) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(answer.Body, int64(most)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("its answer does not come whole: %w", cause(err))
	case len(body) > most:
		return nil, fmt.Errorf("its answer is larger than %d KiB", most>>10)
	}
	return body, nil
}

// refusedWith returns what an answer with a status other than 200 means. It leaves out where a redirect leads, which may have a secret.
func refusedWith(answer *http.Response) error {
	if answer.StatusCode/100 == 3 {
		return fmt.Errorf("it redirects (status %d), which is not followed: give the URL to which it leads", answer.StatusCode)
	}
	return fmt.Errorf("it answers with status %d", answer.StatusCode)
}

func (r *remoteKeys) close() { r.client.CloseIdleConnections() }
