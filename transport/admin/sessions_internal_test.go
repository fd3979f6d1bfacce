package admin

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
)

func TestANodeNamesTheNodeThatHasALogin(t *testing.T) {
	system := actors.NewSystem(actors.Options{Logger: slog.New(slog.DiscardHandler)})
	defer func() { _ = system.Stop(t.Context()) }()
	nodes := map[string]string{"zo\u00eb": "n2", messages.PeerKey("some id"): "n3"}
	s := sessions{system, true, func(key string) (string, error) {
		if key == "lost" {
			return "", errors.New("etcd does not answer")
		}
		return nodes[key], nil
	}}
	mux := http.NewServeMux()
	s.register(mux, guard{loopback: true})
	for target, want := range map[string]struct {
		status int
		says   string
	}{
		"/sessions/Zo%C3%AB":         {http.StatusMisdirectedRequest, "n2"},
		"/sessions?login=Zo%C3%AB":   {http.StatusMisdirectedRequest, "n2"},
		"/sessions?peerjs=some%20id": {http.StatusMisdirectedRequest, "n3"},
		"/sessions/some%20id":        {http.StatusNotFound, "Nobody"},
		"/sessions/lost":             {http.StatusServiceUnavailable, "etcd"},
		"/sessions?login=%00":        {http.StatusNotFound, "Nobody"},
	} {
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			answer := httptest.NewRecorder()
			request := httptest.NewRequest(method, target, nil)
			request.Host = "localhost"
			mux.ServeHTTP(answer, request)
			if answer.Code != want.status || !strings.Contains(answer.Body.String(), want.says) {
				t.Errorf("%s %s is answered with %d %s", method, target, answer.Code, answer.Body)
			}
		}
	}
}
