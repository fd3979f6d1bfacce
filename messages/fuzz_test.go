package messages

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/text/secure/precis"
)

// FuzzDecode compares Decode with two other readers, in both directions. They
// read every text that Decode accepts, with the same values. Decode accepts
// every text that go-json-experiment/json, which is strict by itself, accepts
// within the limits of this protocol.
func FuzzDecode(f *testing.F) {
	for _, v := range messageVectors(f) {
		if len(v.Message) < 1000 { // fuzzing works best on small messages
			f.Add([]byte(v.Message))
		}
	}
	for _, text := range []string{
		`{"type":"watch","logins":["bob", "c\u0061rol" ]}`, `{"type":"watch","logins":[1]}`, `{"type":"ice-servers"}`, `{"type":"ping","received":7}`,
		`{"type":"login","login":"alice","keep":true,"resume":"a-secret-of-the-client","received":0}`,
		`{"type":"token","token":"a.b.c"}`, `{"type":"token","token":["a"]}`, `{"type":"login","login":"alice","token":"\u0061.b.c","keep":true}`,
	} {
		f.Add([]byte(text))
	}
	f.Add(shortOffer)
	f.Add(candidateMessage)
	f.Add(filled(500, shortName))
	f.Add(filled(500, escapedName))
	f.Add(filled(500, largeObject))
	f.Fuzz(func(t *testing.T, text []byte) {
		sent := bytes.Clone(text)
		e, err := Decode(text)
		if !bytes.Equal(sent, text) {
			t.Fatalf("Decode changed %q to %q", sent, text)
		}
		want, code := referenceDecode(text)
		if err != nil {
			if refused := refusal(t, text, err); refused.Code != code {
				t.Errorf("Decode(%q) = %v, want code %q", text, err, code)
			}
			return
		}
		if code != "" {
			t.Fatalf("Decode(%q) accepted it, want code %q", text, code)
		}
		if !utf8.Valid(text) {
			t.Errorf("Decode(%q) accepted it, want it refused: it is not UTF-8", text)
		}
		var loose map[string]any
		if err := json.Unmarshal(text, &loose); err != nil {
			t.Fatalf("Decode(%q) accepted it, encoding/json does not: %v", text, err)
		}
		for _, read := range []map[string]any{want, loose} {
			equalMember(t, text, "type", []byte(e.Type.String()), read)
			equalMember(t, text, "from", e.From, read)
			equalMember(t, text, "to", e.To, read)
			equalMember(t, text, "login", e.Login, read)
			if e.Request != nil {
				equalMember(t, text, "token", e.Request.Token, read)
			}
		}
		if e.Type.Relayed() != (e.From != nil && e.To != nil && e.RawTo != nil) ||
			(e.Type == TypeLogin || e.Type == TypeLogout) != (e.Login != nil) || e.Type != TypePing && e.RawID != nil {
			t.Errorf("Decode(%q) = %+v, want the members that its type needs and no others", text, e)
		}
		if id, sent := want["id"]; e.Type == TypePing && sent {
			var got any
			if err := json.Unmarshal(e.RawID, &got); err != nil || got != id {
				t.Errorf("Decode(%q): the id as it was sent is %q, want the JSON of %#v", text, e.RawID, id)
			}
			if len(bytes.Trim(e.RawID, " \t\r\n")) != len(e.RawID) {
				t.Errorf("Decode(%q): the id as it was sent is %q, want it without the space around it", text, e.RawID)
			}
		} else if e.RawID != nil {
			t.Errorf("Decode(%q): the id is %q, want none", text, e.RawID)
		}
		if e.RawTo != nil {
			var to string
			if err := json.Unmarshal(e.RawTo, &to); err != nil || to != string(e.To) {
				t.Errorf("Decode(%q): to as it was sent is %q, want a JSON string of %q", text, e.RawTo, e.To)
			}
		}
	})
}

func equalMember(t *testing.T, text []byte, name string, got []byte, read map[string]any) {
	t.Helper()
	if got == nil {
		return
	}
	if want, ok := read[name].(string); !ok || want != string(got) {
		t.Errorf("Decode(%q): %s is %q, want %#v", text, name, got, read[name])
	}
}

// referenceDecode implements Decode by PROTOCOL.md, on top of another JSON
// library. It returns the members, or the code of the refusal.
func referenceDecode(text []byte) (map[string]any, Code) {
	var read any
	if len(text) > MaxMessageBytes || jsonv2.Unmarshal(text, &read) != nil || tooDeep(text) || hasNoncharacter(read) {
		return nil, CodeMalformed
	}
	object, ok := read.(map[string]any)
	if !ok {
		return nil, CodeMalformed
	}
	isString := func(name string) bool { _, ok := object[name].(string); return ok }
	switch object["type"] {
	case "login", "logout":
		ok = isString("login")
	case "offer", "answer", "ice-candidate", "bye":
		ok = isString("from") && isString("to")
	case "ice-servers":
	case "token":
		ok = isString("token")
	case "watch":
		logins, ok := object["logins"].([]any)
		if !ok || len(logins) > MaxWatched {
			return nil, CodeMalformed
		}
		for _, login := range logins {
			if _, ok := login.(string); !ok {
				return nil, CodeMalformed
			}
		}
	case "ping":
		switch id := object["id"].(type) {
		case string:
			ok = len(id) <= MaxIDBytes
		case float64:
			ok = true
		default:
			_, sent := object["id"]
			ok = !sent
		}
	default:
		if isString("type") {
			return nil, CodeUnknownType
		}
		ok = false
	}
	if !ok {
		return nil, CodeMalformed
	}
	return object, ""
}

func tooDeep(text []byte) bool {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	for {
		if _, err := d.ReadToken(); err != nil {
			return false
		}
		if d.StackDepth() > MaxDepth {
			return true
		}
	}
}

func hasNoncharacter(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.ContainsFunc(v, func(r rune) bool {
			return r >= 0xFDD0 && r <= 0xFDEF || r%0x10000 >= 0xFFFE
		})
	case []any:
		for _, element := range v {
			if hasNoncharacter(element) {
				return true
			}
		}
	case map[string]any:
		for name, member := range v {
			if hasNoncharacter(name) || hasNoncharacter(member) {
				return true
			}
		}
	}
	return false
}

// FuzzNumber compares with encoding/json which texts are numbers, and which
// numbers are too large.
func FuzzNumber(f *testing.F) {
	for _, n := range []string{"0", "-0", "1e308", "1e309", "-1.7976931348623157e308", "1.797693134862315807e308",
		"1.797693134862315808e308", "0.0001e312", "179769313486231580793e288", tooLarge, tooLarge + "0e-1", tooLarge[:308] + "1",
		tooLarge[:308] + "1.9999999", "0." + tooLarge + "e309", "0." + tooLarge + "e308", "01", "1.", "1e", "1e99999999999999999999", "0e99999999999999999999"} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n string) {
		if n == "" || n[0] != '-' && (n[0] < '0' || n[0] > '9') || len(n) > MaxMessageBytes {
			return
		}
		s := scanner{text: []byte(n)}
		got := s.number(0) == len(n)
		var float float64
		err := json.Unmarshal([]byte(n), &float)
		if want := err == nil && strings.TrimRight(n, " \t\r\n") == n; got != want {
			t.Errorf("%q is a number: %t, want %t (encoding/json: %v)", n, got, want, err)
		}
	})
}

// FuzzLoginKey compares the keys of logins with those of x/text. It checks that
// a key is stable, and that the mappings produce no character that a login may
// not have.
func FuzzLoginKey(f *testing.F) {
	v := readLoginVectors(f)
	for _, a := range v.Accepted {
		f.Add([]byte(a.Typed))
	}
	for _, group := range append(v.Same, v.Different...) {
		for _, l := range group.Logins {
			f.Add([]byte(l))
		}
	}
	for _, r := range v.Refused {
		if len(r.Typed) < 1000 {
			f.Add([]byte(r.Typed))
		}
	}
	f.Fuzz(func(t *testing.T, typed []byte) {
		sent := bytes.Clone(typed)
		if utf8.Valid(typed) && !printable(typed) {
			equalNicknameKey(t, string(typed))
		}
		login, err := ParseLogin(typed)
		key, ok := LoginKey(make([]byte, 0, 64), typed)
		if !bytes.Equal(sent, typed) {
			t.Fatalf("%+q was changed to %+q", sent, typed)
		}
		if ok != (err == nil) || string(key) != login.Key {
			t.Fatalf("LoginKey(%+q) = %+q, %t; want what ParseLogin says: %+q, %v", typed, key, ok, login.Key, err)
		}
		if err != nil {
			refused, ok := err.(LoginError)
			if !ok || login != (Login{}) {
				t.Fatalf("ParseLogin(%+q) = %+q, %#v; want no login and a LoginError", typed, login, err)
			}
			checkSentence(t, typed, refused)
			if printable(typed) && 0 < len(bytes.Trim(typed, " ")) && len(bytes.Trim(typed, " ")) <= MaxLoginCharacters {
				t.Errorf("ParseLogin(%q) = %v, want it accepted", typed, err)
			}
			return
		}
		want, err := precis.Nickname.CompareKey(forXText(string(typed)))
		if want = strings.Map(fold, want); err != nil || forXText(login.Key) != want {
			t.Errorf("the key of %+q is %+q, want x/text's, %+q, %v", typed, login.Key, want, err)
		}
		if again, err := precis.Nickname.CompareKey(forXText(login.Key)); err != nil || again != want {
			t.Errorf("the key of %+q is %+q, and the key of that %+q, %v; want the same", typed, login.Key, again, err)
		}
		if n := utf8.RuneCountInString(login.Shown); n == 0 || n > MaxLoginCharacters {
			t.Errorf("%+q is shown with %d characters, want 1 to 64", typed, n)
		}
		if !bytes.Contains(typed, []byte(login.Shown)) {
			t.Errorf("%+q is shown as %+q, want what was typed", typed, login.Shown)
		}
		for _, r := range strings.NewReplacer("\uFE0E", "", "\uFE0F", "").Replace(login.Shown) + login.Key {
			if neverInLogins(r) {
				t.Errorf("ParseLogin(%+q) = %+q, want it refused because of %U", typed, login, r)
			}
		}
	})
}

// forXText returns a login that was accepted without what RFC 8264 refuses and this protocol accepts: it leaves out variation
// selectors and joiners that do not count, and puts a heart in the place of tags and of emoji that x/text does not know.
func forXText(login string) string {
	runes := []rune(strings.NewReplacer("\uFE0E", "", "\uFE0F", "").Replace(login))
	var b strings.Builder
	for i, r := range runes {
		isJoiner := r == '\u200C' || r == '\u200D'
		switch {
		case isJoiner && i > 0 && unicode.In(runes[i-1], unicode.L, unicode.M) && isVirama([]byte(string(runes[i+1:]))):
		case isJoiner && i > 0 && i+1 < len(runes) && unicode.Is(pictographs, runes[i+1]) &&
			(unicode.Is(pictographs, runes[i-1]) || 0x1F3FB <= runes[i-1] && runes[i-1] <= 0x1F3FF || runes[i-1] == 0xE007F):
		case 0xE0020 <= r && r <= 0xE007F, unicode.Is(pictographs, r) && !unicode.In(r, unicode.L, unicode.S, unicode.P):
			b.WriteRune('\u2764')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
