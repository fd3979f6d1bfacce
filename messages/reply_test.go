package messages

import (
	"encoding/json"
	"strings"
	"testing"
)

var codes = []Code{
	CodeMalformed, CodeUnknownType, CodeNotLoggedIn, CodeAlreadyLoggedIn, CodeLoginTaken, CodeLoginInvalid, CodeWrongFrom,
	CodeWrongLogin, CodePeerUnavailable, CodePeerOverloaded, CodePeerUnreachable, CodeAuthRequired, CodeAuthFailed,
	CodeCapacity, CodeTooMany,
}

func TestRepliesAreAsTheProtocolHasThem(t *testing.T) {
	for _, tt := range []struct {
		got  []byte
		want string
	}{
		{AppendLoginAccepted(nil, nil), `{"type":"login","success":true}`},
		{AppendLoginRefused(nil, CodeLoginTaken, ""), `{"type":"login","success":false,"code":"login-taken","message":"This login is already in use. Choose another one."}`},
		{AppendLoginRefused(nil, CodeCapacity, ""), `{"type":"login","success":false,"code":"capacity","message":"The service cannot decide now who has this login. Try again in a moment."}`},
		{AppendLoginRefused(nil, CodeLoginInvalid, "No."), `{"type":"login","success":false,"code":"login-invalid","message":"No."}`},
		{AppendError(nil, CodeNotLoggedIn, "", nil), `{"type":"error","code":"not-logged-in","message":"You are not logged in. Log in first."}`},
		{AppendError(nil, CodePeerUnavailable, "Gone.", []byte(`"b\u006fb"`)), `{"type":"error","code":"peer-unavailable","message":"Gone.","to":"b\u006fb"}`},
		{AppendPong(nil, nil), `{"type":"pong"}`},
		{AppendPong(nil, []byte(`"\u0041"`)), `{"type":"pong","id":"\u0041"}`},
		{AppendPong([]byte("before "), []byte(`-1.50e3`)), `before {"type":"pong","id":-1.50e3}`},
		{AppendTokenAccepted(nil, 1796000000), `{"type":"token","success":true,"expires":1796000000}`},
		{AppendTokenAccepted(nil, 0), `{"type":"token","success":true}`},
		{AppendTokenRefused(nil, CodeAuthFailed, "No."), `{"type":"token","success":false,"code":"auth-failed","message":"No."}`},
		{AppendError([]byte("before "), CodeCapacity, "Full.", nil), `before {"type":"error","code":"capacity","message":"Full."}`},
	} {
		if string(tt.got) != tt.want {
			t.Errorf("got  %s\nwant %s", tt.got, tt.want)
		}
	}
}

func TestRepliesAreStrictJSONWhateverTheMessageSays(t *testing.T) {
	for message, want := range map[string]string{
		"plain":                        "plain",
		"\"\\/ \b\f\n\r\t\x00\x1f\x7f": "\"\\/ \b\f\n\r\t\x00\x1f\x7f",
		"Zo\u00eb \U0001F389\u2028":    "Zo\u00eb \U0001F389\u2028",
		"a\xff\xed\xa0\x80b":           "a\ufffd\ufffd\ufffd\ufffdb",
		"\ufdd0\uffff\U0001fffe":       "\ufffd\ufffd\ufffd",
	} {
		for _, reply := range [][]byte{
			AppendLoginRefused(nil, CodeLoginInvalid, message),
			AppendError(nil, CodeMalformed, message, nil),
			AppendError(nil, CodeMalformed, message, []byte(`"bob"`)),
		} {
			checkReply(t, reply, want)
		}
	}
	for _, code := range append(codes, "code of tomorrow") {
		checkReply(t, AppendLoginRefused(nil, code, ""), code.Message())
		checkReply(t, AppendError(nil, code, "", nil), code.Message())
	}
	checkReply(t, AppendLoginAccepted(nil, nil), "")
	checkReply(t, AppendPong(nil, nil), "")
	checkReply(t, AppendPong(nil, []byte(`"\ud83d\ude00"`)), "")
}

// checkReply checks that reply has this message, and that its JSON is as strict
// as the service demands of clients.
func checkReply(t *testing.T, reply []byte, message string) {
	t.Helper()
	var s scanner
	s.reset(reply)
	if !s.message() {
		t.Errorf("%q is not what this package itself would read: %s", reply, s.reason)
	}
	var read struct{ Message string }
	if err := json.Unmarshal(reply, &read); err != nil || read.Message != message {
		t.Errorf("%q has the message %q, %v; want %q", reply, read.Message, err, message)
	}
}

func TestRepliesDoNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 1024)
	to := []byte(`"bob"`)
	if n := testing.AllocsPerRun(100, func() {
		AppendLoginAccepted(buf, nil)
		AppendLoginRefused(buf, CodeLoginInvalid, LoginError{Rule: RuleTooLong}.Error())
		AppendError(buf, CodePeerUnavailable, "", to)
		AppendPong(buf, to)
	}); n != 0 {
		t.Errorf("the replies allocate %v times, want 0", n)
	}
}

func TestEverySentenceTellsPeopleWhatToDo(t *testing.T) {
	var sentences []string
	for _, c := range codes {
		if c.Message() == Code("").Message() {
			t.Errorf("%s has no sentence of its own", c)
		}
		sentences = append(sentences, c.Message())
	}
	for _, why := range rules {
		sentences = append(sentences, string(why))
	}
	for i, rule := range loginRules {
		sentences = append(sentences, LoginError{rule, 0x300 + rune(i)}.Error())
	}
	seen := make(map[string]bool)
	for _, s := range sentences {
		if !strings.HasSuffix(s, ".") || strings.Count(s, ".") < 2 {
			t.Errorf("%q does not say what is wrong and then what to do", s)
		}
		if s != string(reasonUnknownType) && seen[s] {
			t.Errorf("%q stands for two things", s)
		}
		seen[s] = true
	}
}
