package main

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestFramesAreOffersOfTheSizeWanted(t *testing.T) {
	for _, name := range []string{dialectJSON, dialectPeerJS} {
		for size := 250; size < 2200; size++ {
			sent, arrives := dialectOf(name).frames("alice", "bob", size)
			if len(sent.text) != size {
				t.Fatalf("%s: a frame of %d bytes has %d", name, size, len(sent.text))
			}
			for _, f := range []frame{sent, arrives} {
				var message struct {
					Offer, Payload struct{ Type, SDP string }
				}
				if err := json.Unmarshal(f.text, &message); err != nil {
					t.Fatalf("%s, %d bytes: %s: %v", name, size, f.text, err)
				}
				if payload := message.Offer.Type + message.Payload.Type; payload != "offer" {
					t.Fatalf("%s, %d bytes: %s is no offer", name, size, f.text)
				}
			}
		}
	}
}

func TestFramesAreNumbered(t *testing.T) {
	f, _ := dialectOf(dialectJSON).frames("alice", "bob", 300)
	for range 1234 {
		f.next()
	}
	if !bytes.Contains(f.text, []byte(`"v=0\r\no=- 0000000000001234 2 IN IP4`)) {
		t.Errorf("the frame 1234 is %s", f.text)
	}
}
