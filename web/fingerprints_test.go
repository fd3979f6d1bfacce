package web_test

import (
	"regexp"
	"strings"
	"testing"
)

// fingerprintLine is the line of a description that names the certificate (RFC 8122).
var fingerprintLine = regexp.MustCompile(`(?m)^a=fingerprint:sha-256 (\S+)(\r?)$`)

// naming changes the fingerprints in the descriptions that the peer sends from now on. In what it writes, $1 is the real fingerprint
// and a line ends at \n.
func (p *peer) naming(lines string) {
	p.alter = func(fields map[string]any) bool {
		for _, kind := range []string{"offer", "answer"} {
			if description, ok := fields[kind].(map[string]any); ok {
				sdp := fingerprintLine.ReplaceAllString(description["sdp"].(string), strings.ReplaceAll(lines, "\n", "${2}\n")+"${2}")
				description["sdp"] = sdp
			}
		}
		return true
	}
}

// otherFingerprint is one of length bytes that nobody has.
func otherFingerprint(length int) string {
	return strings.TrimSuffix(strings.Repeat("5A:", length), ":")
}

func TestOfSeveralFingerprintsTheOneBySHA256CountsInChromium(t *testing.T) {
	t.Parallel()
	s := startService(t)
	fingerprintsCount(t, s, &s.open("alice").person)
}

func TestOfSeveralFingerprintsTheOneBySHA256CountsInFirefox(t *testing.T) {
	t.Parallel()
	s := startService(t)
	fingerprintsCount(t, s, &s.openInFirefox("alice").person)
}

// fingerprintsCount has a peer call alice, and alice call the peer, with descriptions that name certificates in many ways.
func fingerprintsCount(t *testing.T, s *service, alice *person) {
	t.Helper()
	robot := s.peer("robot")
	const own = "a=fingerprint:sha-256 $1"
	sha384, sha512 := "a=fingerprint:sha-384 "+otherFingerprint(48), "a=fingerprint:sha-512 "+otherFingerprint(64)
	for i, lines := range []string{
		sha384 + "\n" + own,
		own + "\n" + sha384 + "\n" + sha512,
		"a=FINGERPRINT:SHA-256 $1\na=Fingerprint:sha-384 " + otherFingerprint(48),
		" a = fingerprint:\tsha-256  $1 \n" + sha512,
	} {
		robot.naming(lines)
		var l *line
		if i%2 == 0 {
			l = robot.call("alice")
		} else {
			alice.connectTo("robot")
			l = robot.accept()
		}
		alice.connected("robot")
		text := "named by " + string(rune('A'+i))
		alice.say(text)
		if got := l.hears(); got != text {
			t.Errorf("%q: the robot got %q", lines, got)
		}
		alice.click("button", "Disconnect from robot")
		l.ended()
		alice.vanish("button", "Disconnect from robot")
	}
	alice.absent("alertdialog", "")

	foreign := otherFingerprint(32)
	for _, c := range []struct{ lines, want string }{
		{sha384 + "\n" + sha512, "no SHA-256 fingerprint"},
		{own + "\na=FINGERPRINT:sha-256 " + foreign, "several certificates"},
		{"a=FINGERPRINT:sha-256 $1\na=fingerprint:sha-256 " + foreign, "several certificates"},
		{own + "\na=\u00a0fingerprint:sha-256 " + foreign, "cannot read which certificate"},
		{own + "\ra=fingerprint:sha-256 " + foreign, "several certificates"},
	} {
		robot.naming(c.lines)
		l := robot.offer("alice")
		l.ended()
		alice.shows("alert", "", c.want)
		if l.connection.RemoteDescription() != nil {
			t.Errorf("%q: the page has answered", c.lines)
		}
		alice.click("button", "Dismiss")
		alice.vanish("alert", "")
	}
	robot.naming(sha384)
	alice.connectTo("robot")
	<-robot.incoming
	alice.shows("alert", "", "no SHA-256 fingerprint")
	alice.absent("button", "Disconnect from robot")
}
