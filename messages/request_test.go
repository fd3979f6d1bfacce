package messages

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestWhatALoginAsksForIsRead(t *testing.T) {
	const secret = "a-secret_of-16ch"
	long := strings.Repeat("A", MaxSecretCharacters)
	for members, want := range map[string]string{
		``:                                       "nothing",
		`,"keep":false`:                          "nothing",
		`,"keep":"true"`:                         "nothing",
		`,"keep":1,"resume":"` + secret + `"`:    "nothing",
		`,"keep":null`:                           "nothing",
		`,"keep":[true]`:                         "nothing",
		`,"Keep":true`:                           "nothing",
		`,"keep":true`:                           `"" 0 false`,
		`,"k\u0065ep":true`:                      `"" 0 false`,
		`,"keep":true,"resume":"` + secret + `"`: `"` + secret + `" 0 false`,
		`,"received":7,"resume":"\u0061-secret_of-16ch","keep": true `: `"` + secret + `" 7 true`,
		`,"keep":true,"resume":"` + long + `"`:                         `"` + long + `" 0 false`,
		`,"keep":true,"resume":"` + long + `A"`:                        `"" 0 false`,
		`,"keep":true,"resume":"` + secret[1:] + `"`:                   `"" 0 false`,
		`,"keep":true,"resume":"a-secret+of/16ch"`:                     `"" 0 false`,
		`,"keep":true,"resume":"a-secret-of-16c="`:                     `"" 0 false`,
		`,"keep":true,"resume":1234567890123456`:                       `"" 0 false`,
		`,"keep":true,"received":18446744073709551615`:                 `"" 18446744073709551615 true`,
	} {
		e, err := Decode([]byte(`{"type":"login","login":"alice"` + members + `}`))
		if err != nil {
			t.Errorf("%s: %v", members, err)
			continue
		}
		got := "nothing"
		if r := e.Request; r != nil {
			got = fmt.Sprintf("%q %d %t", r.Resume, r.Received.N, r.Received.OK)
		}
		if got != want {
			t.Errorf("%s asks for %s, want %s", members, got, want)
		}
	}
}

func TestACountIsAWholeNumber(t *testing.T) {
	for received, want := range map[string]bool{
		`0`: true, `7`: true, `18446744073709551615`: true,
		`18446744073709551616`: false, `-1`: false, `-0`: false, `1.0`: false, `1e0`: false, `"1"`: false, `null`: false, `true`: false, `[1]`: false, `{}`: false,
	} {
		e, err := Decode([]byte(`{"type":"ping","received":` + received + `}`))
		if err != nil || e.Request == nil || e.Request.Received.OK != want {
			t.Errorf("received %s: %+v, %v; want a count: %t", received, e.Request, err, want)
		}
	}
	if e, err := Decode([]byte(`{"type":"ping"}`)); err != nil || e.Request != nil {
		t.Errorf("a ping without received confirms %+v, %v", e.Request, err)
	}
}

func TestTheLoginsOfAWatchAreRead(t *testing.T) {
	for logins, want := range map[string][]string{
		`[]`:                               {},
		`[ ]`:                              {},
		`[""]`:                             {""},
		` [ "bob" ,"c\u0061rol", "Zoë" ] `: {"bob", "carol", "Zoë"},
	} {
		e, err := Decode([]byte(`{"logins":` + logins + `,"type":"watch","other":["dave"]}`))
		if err != nil || e.Request == nil {
			t.Errorf("%s: %v", logins, err)
			continue
		}
		got := []string{}
		for _, login := range e.Request.Logins {
			got = append(got, string(login))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s is %q, want %q", logins, got, want)
		}
	}
}

func TestRepliesOfAKeptSession(t *testing.T) {
	for want, got := range map[string][]byte{
		`{"type":"login","success":true,"login":"Zo\"ë","resume":"s","window":30}`: AppendKeptLoginAccepted(nil, KeptLogin{Login: `Zo"ë`, Resume: "s", Window: 30, Received: 5}, nil),
		`{"type":"login","success":true,"login":"a","resume":"s","window":1,"resumed":false}`: AppendKeptLoginAccepted(nil,
			KeptLogin{Login: "a", Resume: "s", Window: 1, Brought: true, Received: 5}, nil),
		`{"type":"login","success":true,"login":"a","resume":"s","window":1,"resumed":true,"received":5,"iceServers":[{"urls":["stun:a"]}]}`: AppendKeptLoginAccepted(nil,
			KeptLogin{Login: "a", Resume: "s", Window: 1, Brought: true, Resumed: true, Received: 5}, []ICEServer{{URLs: []string{"stun:a"}}}),
		`{"type":"pong","id":1,"received":0}`:                           AppendKeptPong(nil, []byte(`1`), 0),
		`{"type":"pong","received":7}`:                                  AppendKeptPong(nil, nil, 7),
		`{"type":"presence","online":[],"offline":[]}`:                  AppendPresence(nil, nil, nil),
		`{"type":"presence","online":["a","b\""],"offline":["\u0000"]}`: AppendPresence(nil, []string{"a", `b"`}, []string{"\x00"}),
	} {
		if string(got) != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestWhatIsRefusedSaysWhetherItCounts(t *testing.T) {
	for text, uncounted := range map[string]bool{
		`{"type":"ping","id":[]}`: true, `{"type":"login"}`: true, `{"type":"pong"}`: true, `{"type":"presence"}`: true,
		`{"type":"logout"}`: false, `{"type":"watch"}`: false, `{"type":"offer"}`: false, `{"type":"later"}`: false, `{}`: false, `[]`: false, ``: false,
		`{"type":"ping","id":1,"id":1}`: false, `{"type":"login","login":"\ud800"}`: false,
	} {
		_, err := Decode([]byte(text))
		if refused, ok := err.(*DecodeError); !ok || refused.Uncounted != uncounted {
			t.Errorf("%s: %+v; want it uncounted: %t", text, err, uncounted)
		}
	}
}
