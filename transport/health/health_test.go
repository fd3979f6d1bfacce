package health

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"p2p-messaging/transport/arguments"
)

func TestOnlyAServiceThatIsReadyIsHealthy(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string // in the error; none if empty
	}{
		"ready":    {func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "ok\n") }, ""},
		"draining": {func(w http.ResponseWriter, r *http.Request) { http.Error(w, "stopping", http.StatusServiceUnavailable) }, "503 Service Unavailable: stopping"},
		"another":  {http.NotFound, "404"},
		"moved":    {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, "302"},
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
		}, "500"},
		"cut off": {func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, "does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := make(chan string, 1)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked <- r.URL.Path
				c.answer(w, r)
			}))
			defer server.Close()
			flags := Flags{Admin: server.Listener.Addr().String(), Timeout: time.Minute}
			err := flags.Execute(t.Context(), io.Discard, io.Discard)
			switch path := <-asked; {
			case path != "/readyz":
				t.Errorf("the command asked for %q", path)
			case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v; wanted %q", err, c.want)
			case err != nil && (len(err.Error()) > 400 || arguments.Status(err) != arguments.StatusFailure):
				t.Errorf("the status is %d, the error %v", arguments.Status(err), err)
			}
		})
	}
}

func TestAServiceThatDoesNotAnswerIsNotHealthy(t *testing.T) {
	held := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-held }))
	defer server.Close()
	defer close(held)
	flags := Flags{Admin: server.Listener.Addr().String(), Timeout: 10 * time.Millisecond}
	if err := flags.Execute(t.Context(), io.Discard, io.Discard); err == nil {
		t.Error("a service that hangs is healthy")
	}
	server.Listener.Close()
	flags.Timeout = time.Minute
	if err := flags.Execute(t.Context(), io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("%v; wanted that nobody answers", err)
	}
}

func TestTheAddressIsThatOfTheService(t *testing.T) {
	for admin, want := range map[string]string{
		"127.0.0.1:7778":     "http://127.0.0.1:7778/readyz",
		":7778":              "http://localhost:7778/readyz",
		"0.0.0.0:7778":       "http://127.0.0.1:7778/readyz",
		"[::]:7778":          "http://[::1]:7778/readyz",
		"[2001:db8::1]:7778": "http://[2001:db8::1]:7778/readyz",
		"7778":               "",
		"http://localhost":   "",
		"":                   "",
	} {
		got, err := readiness(admin)
		var usage *UsageError
		if got != want || (err != nil) != (want == "") || err != nil && !errors.As(err, &usage) {
			t.Errorf("%q: %q, %v; wanted %q", admin, got, err, want)
		}
	}
	wrong := Flags{Admin: "127.0.0.1:7778"}
	if err := wrong.Execute(t.Context(), io.Discard, io.Discard); arguments.Status(err) != arguments.StatusUsage {
		t.Errorf("without time: %v; wanted a wrong command line", err)
	}
}
