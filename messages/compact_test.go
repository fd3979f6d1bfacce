package messages

import "testing"

// A buffer that held a long message once is not held for a short one.
func TestACompactMessageOccupiesLittleMoreThanItsText(t *testing.T) {
	const short = `{"type":"bye","from":"a","to":"\u0062"}`
	for _, capacity := range []int{0, 1 << 10, MaxMessageBytes} {
		r := &Relay{text: append(make([]byte, 0, capacity), short...)}
		envelope, err := Decode(r.text)
		if err != nil {
			t.Fatal(err)
		}
		r.Envelope = envelope
		c := r.Compact()
		if string(c.Text) != short || string(c.RawTo) != `"\u0062"` || c.Type != TypeBye {
			t.Errorf("with a buffer of %d bytes, it became %q to %q", capacity, c.Text, c.RawTo)
		}
		if cap(c.text) > 2*len(short)+compactSlack {
			t.Errorf("with a buffer of %d bytes, it occupies %d", capacity, cap(c.text))
		}
		c.Release()
	}
}

func TestASlimMessageSaysTheSameInLittleMemory(t *testing.T) {
	const text = `{"type":"bye","from":"\u0061","to":"\u0062"}`
	for _, capacity := range []int{0, MaxMessageBytes} {
		r := &Relay{text: append(make([]byte, 0, capacity), text...)}
		if err := r.Envelope.decode(r.text); err != nil {
			t.Fatal(err)
		}
		r.Count, r.Origin = 7, t
		s := r.Slim()
		if string(s.Text) != text || string(s.RawTo) != `"\u0062"` || string(s.From) != "a" || string(s.To) != "b" || s.Type != TypeBye || s.Count != 7 || s.Origin != any(t) {
			t.Errorf("with a buffer of %d bytes, it became %+v", capacity, s)
		}
		if s.Memory() > 1024 {
			t.Errorf("with a buffer of %d bytes, it occupies %d", capacity, s.Memory())
		}
		s.Release()
	}
}
