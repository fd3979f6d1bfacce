package web_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/lxzan/gws"
)

// goesOn shows that the conversation of two pages does, and that nothing has run in them.
func goesOn(alice, bob *page, text string) {
	alice.t.Helper()
	alice.say(text)
	bob.hears("alice", text)
	bob.say("yes: " + text)
	alice.hears("bob", "yes: "+text)
	alice.delivered()
	for _, p := range []*page{alice, bob} {
		if title := eval[string](p, "document.title"); strings.Contains(title, "run") {
			p.t.Errorf("%s: the title is %q: something has run", p.name, title)
		}
	}
}

// A service that says what no honest one would neither ends nor changes the conversation of two pages. The cases share the pages. Their order
// matters: the last ones leave strangers in alice's page.
func TestAnOpenConversationGoesOnWhateverTheServiceSays(t *testing.T) {
	t.Parallel()
	s := startFakeService(t)
	alice, bob := s.pair()
	var cases []sharing
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s *fakeService, alice, bob *page)
	}{
		{"nonsense", nonsenseIsIgnored},
		{"a forged call", aForgedCallDoesNotTakeItsPlace},
		{"frames that nobody asked for", framesThatNobodyAskedForChangeNothing},
		{"login replies that nobody asked for", loginRepliesThatNobodyAskedForEndNothing},
		{"the end of its connection", itGoesOnWhateverTheServiceClosesWith},
		{"offers that cannot be read", offersThatCannotBeReadLeaveItAlone},
		{"offers in a flood", offersInAFloodLeaveItAlone},
	} {
		cases = append(cases, sharing{c.name, func(t *testing.T) {
			c.run(t, s, alice, bob)
			for _, p := range []*page{alice, bob} {
				p.checkFaults()
			}
			// A page that has lost its call makes another by itself.
			for p, want := range map[*page]int{alice: 1, bob: 0} {
				if calls := eval[int](p, `new Set(testing.sent.filter(({ type }) => type === "offer").map(({ call }) => call)).size`); calls != want {
					t.Errorf("%s has made %d calls since the beginning, want %d", p.name, calls, want)
				}
			}
		}})
	}
	inTurn(t, func(t testing.TB) {
		s.failing(t)
		alice.t, bob.t = t, t
	}, cases)
}

func nonsenseIsIgnored(t *testing.T, s *fakeService, alice, bob *page) {
	for _, text := range []string{
		"", " ", "hello", "null", "true", "7", `"offer"`, "[]", "{}", "{", `{"type":`, `{"type":null}`, `{"type":7}`, `{"type":"offer"}`,
		`{"type":"__proto__"}`, `{"__proto__":{"type":"offer"}}`, `{"type":"constructor","from":"bob"}`, `{"type":"login"}`,
		`{"type":"login","success":"no"}`,
		`{"type":"logout","login":"alice"}`, `{"type":"presence","online":7,"offline":{"bob":true}}`, `{"type":"presence","online":[7,null,{}]}`,
		`{"type":"ice-servers","iceServers":[7,null,{},{"urls":7},{"urls":["javascript:alert(1)","http://example.org"]}]}`,
		`{"type":"offer","from":7,"offer":{"type":"offer","sdp":"v=0"}}`, `{"type":"offer","from":"","offer":{"sdp":""}}`,
		`{"type":"offer","from":"bob","offer":"v=0"}`, `{"type":"offer","from":"alice","offer":{"type":"offer","sdp":"v=0"},"call":"own"}`,
		`{"type":"answer","from":"bob","answer":{"type":"answer"}}`, `{"type":"ice-candidate","from":"bob","ice-candidate":7}`,
		`{"type":"ice-candidate","from":"bob","ice-candidate":null}`, `{"type":"error"}` + "\x00",
		strings.Repeat("[", 100_000), `{"type":"offer","from":"` + strings.Repeat("x", 1<<20) + `"}`,
		strings.Repeat("x", 5<<20), `{"type":"` + strings.Repeat("y", 5<<20) + `"}`,
	} {
		s.says("alice", text)
	}
	if err := s.socket("alice").WriteMessage(gws.OpcodeBinary, []byte(`{"type":"error","message":"binary"}`)); err != nil {
		t.Fatal(err)
	}
	s.says("alice", `{"type":"error","code":"<b>code</b>","message":"<img src=x onerror=\"document.title='run'\"> \u202eread this"}`)
	alice.shows("alert", "", `<img src=x onerror="document.title='run'">`)
	alice.click("button", "Dismiss")
	alice.shows("status", "Connection", "connected")
	goesOn(alice, bob, "all well?")
	if got := alice.texts("bob"); len(got) != 1 {
		t.Errorf("alice's discussion shows %q by bob, want one text", got)
	}
}

// The page gives a login that it did not ask for back, with the connection, and comes again.
func loginRepliesThatNobodyAskedForEndNothing(t *testing.T, s *fakeService, alice, bob *page) {
	for _, reply := range []string{
		`{"type":"login","success":true}`,
		`{"type":"login","success":true,"login":"mallory","iceServers":"none","resume":7,"window":-1}`,
	} {
		socket := s.socket("alice")
		s.says("alice", reply)
		goesOn(alice, bob, "did you get "+reply+"?")
		alice.until("the page is back", func(ctx context.Context) (bool, error) {
			alice.hurries()
			return s.isBack("alice", socket), nil
		})
		alice.shows("status", "Connection", "connected")
	}
	alice.shows("banner", "", "Welcome alice!")
	goesOn(alice, bob, "still alice")
}

func framesThatNobodyAskedForChangeNothing(t *testing.T, s *fakeService, alice, bob *page) {
	call := s.relayed("offer", "alice")["call"]
	answer := s.relayed("answer", "bob")
	candidate := map[string]any{"candidate": "candidate:1 1 udp 2113937151 127.0.0.1 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0}
	for _, from := range []string{"bob", "carol", "alice"} {
		for _, id := range []any{"unknown", nil, 7, call} {
			for _, fields := range []map[string]any{
				{"type": "answer", "answer": map[string]any{"type": "answer", "sdp": "v=0"}},
				{"type": "answer", "answer": map[string]any{"type": "answer", "sdp": "nonsense"}},
				{"type": "answer", "answer": answer["answer"]},
				{"type": "ice-candidate", "ice-candidate": candidate},
				{"type": "ice-candidate", "iceCandidate": candidate},
				{"type": "error", "code": "peer-unavailable", "message": "gone", "to": "carol"},
			} {
				fields["from"], fields["to"] = from, "alice"
				if id != nil {
					fields["call"] = id
				}
				s.frame("alice", fields)
			}
			if id != call && id != nil && from != "bob" {
				s.frame("alice", map[string]any{"type": "bye", "reason": "left", "from": from, "to": "alice", "call": id})
			}
		}
	}
	for i := range 500 {
		s.frame("alice", map[string]any{"type": "ice-candidate", "ice-candidate": candidate, "from": "bob", "to": "alice", "call": fmt.Sprint(i)})
		s.frame("alice", map[string]any{"type": "bye", "reason": "left", "from": "bob", "to": "alice", "call": fmt.Sprint(i)})
	}
	// What the service says about an open conversation does not end it.
	s.frame("alice", map[string]any{"type": "error", "code": "peer-unavailable", "message": "gone", "to": "bob"})
	s.frame("alice", map[string]any{"type": "error", "code": "peer-overloaded", "message": "later", "to": "bob"})
	goesOn(alice, bob, "still on?")
	alice.absent("alert", "")
}

func offersInAFloodLeaveItAlone(t *testing.T, s *fakeService, alice, bob *page) {
	sdp := s.relayed("offer", "alice")["offer"]
	for i := range 400 {
		s.frame("alice", map[string]any{"type": "offer", "offer": sdp, "from": fmt.Sprintf("stranger %d", i), "to": "alice", "call": fmt.Sprintf("flood %d", i)})
		s.frame("alice", map[string]any{"type": "offer", "offer": sdp, "from": "mallory", "to": "alice", "call": fmt.Sprintf("again %d", i)})
	}
	alice.until("the last of them refused", func(context.Context) (bool, error) {
		return eval[bool](alice, `testing.sent.some((frame) => frame.type === "bye" && frame.call === "flood 399")`), nil
	})
	if connections := eval[int](alice, `new Set(testing.sent.filter((frame) => frame.type === "answer").map((frame) => frame.call)).size`); connections > 64 {
		t.Errorf("the page has answered %d offers", connections)
	}
	eval[bool](alice, `[...document.querySelectorAll("button")].find((button) => button.textContent.includes("bob"))?.click() ?? true`)
	goesOn(alice, bob, "that was a lot")
}

func aForgedCallDoesNotTakeItsPlace(t *testing.T, s *fakeService, alice, bob *page) {
	sdp := s.relayed("offer", "alice")["offer"]
	for _, call := range []any{"forged", "forged too", nil} {
		frame := map[string]any{"type": "offer", "offer": sdp, "from": "bob", "to": "alice"}
		if call != nil {
			frame["call"] = call
		}
		s.frame("alice", frame)
	}
	alice.until("the last numbered one refused", func(context.Context) (bool, error) {
		return eval[bool](alice, `testing.sent.some(({ type, call }) => type === "bye" && call === "forged too")`), nil
	})
	goesOn(alice, bob, "is that you?")
	if answers := alice.sentOf("answer"); answers != 0 {
		t.Errorf("the page has answered %d of the forged offers", answers)
	}
	if discussion := alice.read("log", "Discussion"); strings.Contains(discussion, "left") {
		t.Errorf("the discussion shows %q, want no end in it", discussion)
	}
}

func offersThatCannotBeReadLeaveItAlone(t *testing.T, s *fakeService, alice, bob *page) {
	sdp := s.relayed("offer", "alice")["offer"].(map[string]any)["sdp"].(string)
	for i, broken := range []string{"", "nonsense", sdp[:len(sdp)/2], strings.ReplaceAll(sdp, "a=fingerprint", "a=finger"),
		strings.ReplaceAll(sdp, "m=application", "m=video"), strings.Repeat(sdp, 20), strings.ReplaceAll(sdp, "\r\n", "\n\n")} {
		s.frame("alice", map[string]any{"type": "offer", "offer": map[string]any{"type": "offer", "sdp": broken},
			"from": "mallory", "to": "alice", "call": fmt.Sprintf("broken %d", i)})
	}
	alice.until("each refused", func(context.Context) (bool, error) {
		return eval[bool](alice, `testing.faults.length > 0`), nil
	})
	eval[bool](alice, `[...document.querySelectorAll("button")].find((button) => button.textContent.includes("bob"))?.click() ?? true`)
	goesOn(alice, bob, "what was that?")
	for _, fault := range eval[[]string](alice, "testing.faults.splice(0)") {
		if !strings.HasPrefix(fault, "console.warn: a call fails") {
			t.Errorf("the console has %q", fault)
		}
	}
}

func itGoesOnWhateverTheServiceClosesWith(t *testing.T, s *fakeService, alice, bob *page) {
	for _, c := range []struct {
		code    uint16
		reason  string
		returns bool // by itself
	}{
		{1001, "retry=2", true},
		{1012, "retry=-7", true},
		{1013, "retry=" + strings.Repeat("9", 50), true},
		{4000, "<b>slow</b>", true},
		{4999, "", true},
		{1008, "refused", false},
		{1009, "retry=1", false},
		{4100, "<img src=x onerror=\"document.title='run'\">", false},
	} {
		socket := s.socket("alice")
		if err := socket.WriteClose(c.code, []byte(c.reason)); err != nil {
			t.Fatal(err)
		}
		alice.until("the end noticed", func(ctx context.Context) (bool, error) {
			found, err := alice.query(ctx, "status", "Connection")
			if err != nil || len(found) != 1 {
				return false, err
			}
			text, err := call[string](ctx, found[0], "function() { return this.innerText }")
			return !strings.HasPrefix(text, "connected") || s.isBack("alice", socket), err
		})
		goesOn(alice, bob, fmt.Sprintf("after %d", c.code))
		if !c.returns {
			alice.click("button", "Connect again")
		}
		alice.until("the page is back", func(ctx context.Context) (bool, error) {
			alice.hurries()
			return s.isBack("alice", socket), nil
		})
		alice.shows("status", "Connection", "connected")
	}
	goesOn(alice, bob, "at last")
}

func TestJoinSurvivesWhateverTheServiceAnswers(t *testing.T) {
	t.Parallel()
	s := startFakeService(t)
	alice := newPage(t, "alice", s.server.URL+"/")
	next := func(reply func(socket *gws.Conn, login string)) {
		s.mu.Lock()
		s.reply = reply
		s.mu.Unlock()
		alice.fill("Login", "alice")
		alice.click("button", "Join")
	}
	next(func(socket *gws.Conn, _ string) {
		_ = socket.WriteString(`{"type":"login","success":false,"code":"<b>","message":"<img src=x onerror=\"document.title='run'\">"}`)
	})
	alice.shows("alert", "", "<img src=x")
	next(func(socket *gws.Conn, _ string) { _ = socket.WriteString(`{"type":"login","success":0,"message":{}}`) })
	alice.shows("alert", "", "already in use")
	var dropped *gws.Conn
	next(func(socket *gws.Conn, _ string) {
		dropped = socket
		for range 3 {
			_ = socket.WriteString(`{"type":"login","success":true,"iceServers":[{"urls":"stun:"},{"urls":"turn:127.0.0.1:9"},{"urls":[]},{"urls":"stun:[[["},7]}`)
		}
		_ = socket.WriteString(`{"type":"login","success":false,"message":"no"}`)
	})
	alice.find("button", "Sign out")
	// The page gives back what it did not ask for: it drops the connection, and joins again on another one.
	alice.until("the login again", func(context.Context) (bool, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.clients["alice"] != nil && s.clients["alice"] != dropped, nil
	})
	alice.shows("status", "Connection", "connected")
	bob := s.open("bob")
	alice.meets(bob)
	goesOn(alice, bob, "in spite of it")
}
