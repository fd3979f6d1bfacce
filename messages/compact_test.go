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
