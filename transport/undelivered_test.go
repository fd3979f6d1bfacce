package transport_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/transport"
	"p2p-messaging/transport/internal/rawws"
)

// refusals reads the refusals of a sender's frames to another login, until enough returns true for their number. It returns
// how many times each code came.
func refusals(t *testing.T, sender *rawws.Conn, to string, enough func(total int) bool) map[string]int {
	t.Helper()
	count := make(map[string]int)
	for total := 0; !enough(total); total++ {
		text, err := sender.ReadText()
		if err != nil {
			t.Fatalf("after the refusals %v: %v", count, err)
		}
		if !strings.HasSuffix(text, `,"to":"`+to+`"}`) {
			t.Fatalf("the sender was told %s", text)
		}
		count[errorCode(text)]++
	}
	return count
}

func errorCode(text string) string {
	_, code, _ := strings.Cut(text, `"code":"`)
	code, _, _ = strings.Cut(code, `"`)
	return code
}

func TestWhatAStalledReaderNeverGetsIsReportedToItsSender(t *testing.T) {
	t.Parallel()
	eachCarrier(t, func(t *testing.T, by carrier) {
		t.Parallel()
		s := by.listen(t, func(o *transport.Options) { o.WriteTimeout = 2 * time.Second })
		stalled, sender := s.login(t, "stalled"), s.login(t, "sender")
		text := offer("sender", "stalled", 60_000)
		frames := append(rawws.Message(text), rawws.Message("{}")...)
		// First the buffers of the network fill, and then the queue. After the write timeout, the first frame is reported
		// lost. The network may have room again when the queue is full, because it hands on what it has taken with a delay. So
		// the frames go on until then.
		sent := 0
		count := make(map[string]int)
		for count["peer-unavailable"] == 0 {
			if count["peer-overloaded"] > 100 {
				time.Sleep(time.Millisecond) // the network's turn
			}
			write(t, sender, frames)
			sent++
			for code := ""; code != "malformed"; {
				answer, err := sender.ReadText()
				if err != nil {
					t.Fatalf("after %d frames and the refusals %v: %v", sent, count, err)
				}
				code = errorCode(answer)
				count[code]++
			}
		}
		// Now the reader reads again.
		code, _, texts, err := stalled.ReadClose()
		if code != 4000 || err != nil {
			t.Errorf("closed with %d, %v; want 4000", code, err)
		}
		for _, got := range texts {
			if got != text {
				t.Fatalf("received %.100q", got)
			}
		}
		missing := sent - len(texts) - count["peer-unavailable"] - count["peer-overloaded"]
		for code, n := range refusals(t, sender, "stalled", func(total int) bool { return total >= missing }) {
			count[code] += n
		}
		if count["peer-overloaded"] == 0 || count["peer-overloaded"]+count["peer-unavailable"]+len(texts) != sent {
			t.Errorf("%d frames arrived, refused were %v, want %d together", len(texts), count, sent)
		}
		write(t, sender, rawws.Message("{}"))
		wantError(t, sender, "malformed") // no other refusal comes before this answer
	})
}

func TestTheFrameThatIsHalfOutIsReportedWhenItCannotBeCompleted(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		synctest.Test(t, func(t *testing.T) {
			const frames = 8
			s := by.listenInMemory(t, 1500)
			stalled, sender := s.login(t, "stalled"), s.login(t, "sender")
			write(t, stalled, rawws.Message(offer("stalled", "stalled", 1000))) // this message to itself goes out whole, so the sender hears nothing of it
			synctest.Wait()
			for range frames {
				write(t, sender, rawws.Message(offer("sender", "stalled", 1000)))
			}
			start := time.Now()
			refusals(t, sender, "stalled", func(total int) bool { return total == frames-1 })
			givenUp := time.Now()
			refusals(t, sender, "stalled", func(total int) bool { return total == 1 })
			if first, last := givenUp.Sub(start), time.Since(givenUp); first < 10*time.Second || last < 10*time.Second {
				t.Errorf("what was not begun was refused after %v, what was half out %v later, want 10 s for each", first, last)
			}
			synctest.Wait()
			wantText(t, stalled, offer("stalled", "stalled", 1000))
			if text, err := stalled.ReadText(); err == nil {
				t.Errorf("received %s, which its sender was told had not arrived", text)
			}
			write(t, sender, rawws.Message("{}"))
			wantError(t, sender, "malformed")
		})
	})
}
