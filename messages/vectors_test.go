package messages

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// rules maps the names that the vectors use to reasons.
var rules = map[string]reason{
	"size":            reasonSize,
	"byte-order-mark": reasonBOM,
	"not-an-object":   reasonNoObject,
	"trailing":        reasonTrailing,
	"end":             reasonEnd,
	"value":           reasonValue,
	"name":            reasonName,
	"colon":           reasonColon,
	"comma":           reasonComma,
	"number":          reasonNumber,
	"number-range":    reasonNumberRange,
	"control":         reasonControl,
	"escape":          reasonEscape,
	"surrogate":       reasonSurrogate,
	"noncharacter":    reasonNoncharacter,
	"utf-8":           reasonUTF8,
	"duplicate-name":  reasonDuplicate,
	"depth":           reasonDepth,
	"type":            reasonType,
	"unknown-type":    reasonUnknownType,
	"login":           reasonLogin,
	"from":            reasonFrom,
	"to":              reasonTo,
	"id":              reasonID,
	"logins":          reasonLogins,
	"token":           reasonToken,
}

var loginRules = []LoginRule{RuleEmpty, RuleTooLong, RuleUTF8, RuleControl, RuleCharacter, RuleMarks, RuleMarksOnly}

// A vectorText is a text in the notation of the vectors. Their README describes it.
type vectorText []byte

func (t *vectorText) UnmarshalJSON(b []byte) error {
	type part struct {
		Text  string `json:"text"`
		Times *int   `json:"times"`
	}
	switch b[0] {
	case '"':
		var s string
		err := json.Unmarshal(b, &s)
		*t = vectorText(s)
		return err
	case '{':
		var bytes struct {
			Hex string `json:"hex"`
		}
		if err := json.Unmarshal(b, &bytes); err != nil {
			return err
		}
		var err error
		*t, err = hex.DecodeString(bytes.Hex)
		return err
	}
	var parts []part
	if err := json.Unmarshal(b, &parts); err != nil {
		return err
	}
	for _, p := range parts {
		times := 1
		if p.Times != nil {
			times = *p.Times
		}
		*t = append(*t, bytes.Repeat([]byte(p.Text), times)...)
	}
	return nil
}

type messageVector struct {
	Name    string     `json:"name"`
	Message vectorText `json:"message"`
	Accept  *struct {
		Type      string  `json:"type"`
		From      *string `json:"from"`
		To        *string `json:"to"`
		Login     *string `json:"login"`
		Token     *string `json:"token"`
		ToLiteral string  `json:"toLiteral"`
		IDLiteral string  `json:"idLiteral"`
	} `json:"accept"`
	Refuse *struct {
		Code Code   `json:"code"`
		Rule string `json:"rule"`
	} `json:"refuse"`
}

// readVectors reads a file of vectors. Every member in it must be known.
func readVectors(tb testing.TB, file string, into any) {
	tb.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		tb.Fatalf("%s: %v", file, err)
	}
}

func messageVectors(tb testing.TB) []messageVector {
	tb.Helper()
	files, err := filepath.Glob("testdata/vectors/messages-*.json")
	if err != nil {
		tb.Fatal(err)
	}
	var all []messageVector
	for _, f := range files {
		var v struct {
			About string          `json:"about"`
			Cases []messageVector `json:"cases"`
		}
		readVectors(tb, f, &v)
		if len(v.Cases) == 0 {
			tb.Fatalf("%s holds no cases", f)
		}
		all = append(all, v.Cases...)
	}
	if len(all) == 0 {
		tb.Fatal("found no vectors for messages")
	}
	return all
}

func TestDecodeAgreesWithTheVectors(t *testing.T) {
	unused := make(map[reason]string)
	for rule, why := range rules {
		unused[why] = rule
	}
	for _, v := range messageVectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			sent := bytes.Clone(v.Message)
			e, err := Decode(v.Message)
			if !bytes.Equal(sent, v.Message) {
				t.Error("Decode changed the message")
			}
			switch {
			case v.Accept == nil && v.Refuse == nil:
				t.Fatal("the vector says neither accept nor refuse")
			case v.Accept != nil:
				if err != nil {
					t.Fatalf("Decode(%.200q) = %v, want it accepted", v.Message, err)
				}
				if e.Type.String() != v.Accept.Type {
					t.Errorf("type %q, want %q", e.Type, v.Accept.Type)
				}
				equalValue(t, "from", e.From, v.Accept.From)
				equalValue(t, "to", e.To, v.Accept.To)
				equalValue(t, "login", e.Login, v.Accept.Login)
				var token []byte
				if e.Request != nil {
					token = e.Request.Token
				}
				equalValue(t, "token", token, v.Accept.Token)
				literal := v.Accept.ToLiteral
				if literal == "" && v.Accept.To != nil {
					literal = `"` + *v.Accept.To + `"`
				}
				if string(e.RawTo) != literal {
					t.Errorf("to as it was sent: %s, want %s", e.RawTo, literal)
				}
				if string(e.RawID) != v.Accept.IDLiteral {
					t.Errorf("id as it was sent: %s, want %s", e.RawID, v.Accept.IDLiteral)
				}
				if !bytes.Equal(e.Text, v.Message) {
					t.Error("Text is not the message")
				}
			default:
				refused := refusal(t, v.Message, err)
				if refused.Code != v.Refuse.Code {
					t.Errorf("code %q, want %q", refused.Code, v.Refuse.Code)
				}
				want, known := rules[v.Refuse.Rule]
				if !known {
					t.Fatalf("the vector names an unknown rule, %q", v.Refuse.Rule)
				}
				if refused.Reason != string(want) {
					t.Errorf("Decode(%.200q): reason %q, want that of rule %s, %q", v.Message, refused.Reason, v.Refuse.Rule, want)
				}
				delete(unused, want)
			}
		})
	}
	for _, rule := range unused {
		t.Errorf("no vector breaks the rule %q", rule)
	}
}

func equalValue(t *testing.T, member string, got []byte, want *string) {
	t.Helper()
	switch {
	case want == nil && got != nil:
		t.Errorf("%s is %q, want none", member, got)
	case want != nil && (got == nil || string(got) != *want):
		t.Errorf("%s is %q, want %q", member, got, *want)
	}
}

// refusal returns the error of Decode, and checks what must hold for every error.
func refusal(t *testing.T, message []byte, err error) *DecodeError {
	t.Helper()
	if err == nil {
		t.Fatalf("Decode(%.200q) accepted the message, want it refused", message)
	}
	refused, ok := err.(*DecodeError)
	if !ok {
		t.Fatalf("Decode(%.200q) = %T, want a *DecodeError", message, err)
	}
	if refused.Code != CodeMalformed && refused.Code != CodeUnknownType {
		t.Errorf("Decode(%.200q): code %q, want malformed or unknown-type", message, refused.Code)
	}
	if (refused.Code == CodeUnknownType) != (refused.Reason == string(reasonUnknownType)) {
		t.Errorf("Decode(%.200q): code %q does not go with reason %q", message, refused.Code, refused.Reason)
	}
	known := false
	for _, why := range rules {
		known = known || refused.Reason == string(why)
	}
	if !known {
		t.Errorf("Decode(%.200q): reason %q is none of the fixed set", message, refused.Reason)
	}
	if refused.Offset < 0 || refused.Offset > len(message) {
		t.Errorf("Decode(%.200q): offset %d, want it in the message of %d bytes", message, refused.Offset, len(message))
	}
	if refused.NotUTF8 == utf8.Valid(message) {
		t.Errorf("Decode(%.200q): not UTF-8: %t, want %t", message, refused.NotUTF8, !refused.NotUTF8)
	}
	return refused
}

type loginVectors struct {
	About    string `json:"about"`
	Accepted []struct {
		Name  string     `json:"name"`
		Typed vectorText `json:"typed"`
		Shown vectorText `json:"shown"`
		Key   vectorText `json:"key"`
	} `json:"accepted"`
	Same      []loginGroup `json:"same"`
	Different []loginGroup `json:"different"`
	Refused   []struct {
		Name  string     `json:"name"`
		Typed vectorText `json:"typed"`
		Rule  LoginRule  `json:"rule"`
		// Character is the character that breaks the rule, as U+XXXX. It is missing where the rule is not about
		// characters, and where several break it.
		Character string `json:"character"`
	} `json:"refused"`
}

type loginGroup struct {
	Name   string       `json:"name"`
	Logins []vectorText `json:"logins"`
}

func readLoginVectors(tb testing.TB) (v loginVectors) {
	tb.Helper()
	readVectors(tb, "testdata/vectors/logins.json", &v)
	return v
}

func TestParseLoginAgreesWithTheVectors(t *testing.T) {
	vectors := readLoginVectors(t)
	for _, v := range vectors.Accepted {
		t.Run(v.Name, func(t *testing.T) {
			login := mustParse(t, v.Typed)
			if login.Shown != string(v.Shown) {
				t.Errorf("%q is shown as %q, want %q", v.Typed, login.Shown, v.Shown)
			}
			if login.Key != string(v.Key) {
				t.Errorf("the key of %q is %+q, want %+q", v.Typed, login.Key, v.Key)
			}
		})
	}
	for _, v := range vectors.Same {
		t.Run("same: "+v.Name, func(t *testing.T) {
			first := mustParse(t, v.Logins[0])
			for _, l := range v.Logins[1:] {
				if other := mustParse(t, l); other.Key != first.Key {
					t.Errorf("%+q and %+q have the keys %+q and %+q, want one", v.Logins[0], l, first.Key, other.Key)
				}
			}
		})
	}
	for _, v := range vectors.Different {
		t.Run("different: "+v.Name, func(t *testing.T) {
			keys := make(map[string]vectorText)
			for _, l := range v.Logins {
				key := mustParse(t, l).Key
				if other, taken := keys[key]; taken {
					t.Errorf("%+q and %+q have the key %+q both, want two", other, l, key)
				}
				keys[key] = l
			}
		})
	}
	unused := make(map[LoginRule]bool)
	for _, rule := range loginRules {
		unused[rule] = true
	}
	for _, v := range vectors.Refused {
		t.Run("refused: "+v.Name, func(t *testing.T) {
			login, err := ParseLogin(v.Typed)
			if !slices.Contains(loginRules, v.Rule) {
				t.Fatalf("the vector names an unknown rule, %q", v.Rule)
			}
			refused, _ := err.(LoginError)
			if refused.Rule != v.Rule {
				t.Errorf("ParseLogin(%.100q) = %+v, %v; want the reason of rule %s", v.Typed, login, err, v.Rule)
			}
			if v.Character != "" && fmt.Sprintf("%U", refused.Character) != v.Character {
				t.Errorf("ParseLogin(%.100q) = %v; want it to name %s", v.Typed, err, v.Character)
			}
			checkSentence(t, v.Typed, refused)
			if key, ok := LoginKey(nil, v.Typed); ok {
				t.Errorf("LoginKey(%.100q) = %q, want none", v.Typed, key)
			}
			delete(unused, v.Rule)
		})
	}
	for rule := range unused {
		t.Errorf("no vector breaks the rule %q", rule)
	}
}

// checkSentence checks that the sentence of a refusal names the character that is at fault, and no other text of the login.
func checkSentence(t *testing.T, typed []byte, refused LoginError) {
	t.Helper()
	switch refused.Rule {
	case RuleEmpty, RuleTooLong, RuleUTF8:
		return
	}
	if !strings.Contains(string(typed), string(refused.Character)) {
		t.Errorf("ParseLogin(%+q) = %v; want a character of the login", typed, refused)
	}
	if sentence := refused.Error(); !strings.Contains(sentence, fmt.Sprintf("%U", refused.Character)) || strings.Contains(sentence, " ()") {
		t.Errorf("ParseLogin(%+q) = %v; want it to name %U and what it is", typed, refused, refused.Character)
	}
}

func mustParse(t *testing.T, typed []byte) Login {
	t.Helper()
	login, err := ParseLogin(typed)
	if err != nil {
		t.Fatalf("ParseLogin(%+q) = %v, want a login", typed, err)
	}
	if key, ok := LoginKey(nil, typed); !ok || string(key) != login.Key {
		t.Fatalf("LoginKey(%+q) = %+q, %t; want the Key of ParseLogin, %+q", typed, key, ok, login.Key)
	}
	return login
}
