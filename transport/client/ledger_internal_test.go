package client

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// A script for a ledger is a list of words:
//
//	+x      add message x
//	>       give the next message to the connection; >x: it must be x, for the first time; >>x: x, again; >-: there is none
//	pong=n  the service confirms n
//	login=n the client logs in again, and must have received n
//	resume=m, resume!m  the service resumes from m; with !, that cannot be true
//	<n      a message comes, which must be number n; <=n: it came before
//	leave   nobody has taken it
//	have=n  the caller has message n
//	ping=n  the client pings, and must confirm n
//	lost=a,b/c  a and b are unknown, and c is unsent
func TestALedgerCountsAsBothSidesDo(t *testing.T) {
	for name, script := range map[string]string{
		"nothing":                               ">- ping=0 lost=/",
		"messages go out in order":              "+a +b >a >b >- lost=a,b/",
		"what is confirmed is let go":           "+a +b >a >b pong=1 lost=b/ pong=2 lost=/ >-",
		"a confirmation that is late":           "+a +b >a >b pong=2 pong=1 lost=/",
		"what was not sent is not confirmed":    "+a +b >a pong!2 pong!9 lost=a/b",
		"what is queued is not sent":            "+a +b +c >a lost=a/b,c",
		"a resume sends the rest again":         "+a +b +c >a >b login=0 resume=1 >>b >c >- lost=b,c/",
		"a resume with all":                     "+a >a login=0 resume=1 >- lost=/ +b >b",
		"a resume with nothing":                 "+a +b >a >b login=0 resume=0 >>a >>b >-",
		"a resume behind a confirmation":        "+a +b +c >a >b >c pong=1 login=0 resume=2 >>c >-",
		"a resume that has forgotten":           "+a +b >a >b pong=2 login=0 resume!1",
		"a resume with what was not sent":       "+a +b >a login=0 resume!2",
		"a drop in the middle of the replay":    "+a +b >a >b login=0 resume=0 >>a login=0 resume=1 >>b",
		"the pong of a replay":                  "+a +b >a >b login=0 resume=0 >>a pong!2 pong=1 >>b pong=2 lost=/",
		"messages are counted":                  "<1 <2 have=2 ping=2",
		"the buffer's messages are not":         "<1 <2 <3 have=1 ping=1 login=1 <=2 <=3 <4",
		"nobody has anything":                   "<1 <2 login=0 <=1 <=2 <3 have=3 ping=3",
		"a message that nobody took":            "<1 <2 leave have=1 login=1 <2 have=2 login=2 <3",
		"the caller receives during the login":  "<1 <2 login=0 have=2 <=1 <=2 <3",
		"calls of Receive overtake each other":  "<1 <2 have=2 have=1 ping=2",
		"a drop in the middle of what comes":    "<1 <2 <3 login=0 <=1 login=0 <=1 <=2 <=3 <4",
		"both directions are counted by itself": "+a >a <1 have=1 pong=1 login=1 resume=1 +b >b <2 ping=1",
	} {
		t.Run(name, func(t *testing.T) {
			l := &ledger{}
			for _, word := range strings.Fields(script) {
				if problem := runWord(l, word); problem != "" {
					t.Fatalf("at %q: %s", word, problem)
				}
			}
		})
	}
}

// runWord does one word of a script. It returns what is wrong.
func runWord(l *ledger, word string) string {
	var n uint64
	var err error
	wrong := func(got, want any) string {
		if fmt.Sprint(got) == fmt.Sprint(want) {
			return ""
		}
		return fmt.Sprintf("got %v; wanted %v", got, want)
	}
	now := time.Unix(1, 0)
	switch name, argument := cutWord(word); name {
	case "+":
		l.add([]byte(argument))
	case ">", ">>":
		text, again, ok := l.next()
		if !ok {
			return wrong("-", argument)
		}
		l.gave(now)
		return wrong(fmt.Sprint(string(text), again), fmt.Sprint(argument, name == ">>"))
	case "pong=", "pong!":
		_, _ = fmt.Sscan(argument, &n)
		err = l.confirm(n)
		return wrong(errors.Is(err, errCounts), strings.HasSuffix(name, "!"))
	case "resume=", "resume!":
		_, _ = fmt.Sscan(argument, &n)
		err = l.resume(n)
		return wrong(errors.Is(err, errCounts), strings.HasSuffix(name, "!"))
	case "login=":
		return wrong(l.begin(), argument)
	case "<", "<=":
		number, again := l.came()
		return wrong(fmt.Sprint(number, again), fmt.Sprint(argument, " ", name == "<="))
	case "leave":
		l.leave()
	case "have=":
		_, _ = fmt.Sscan(argument, &n)
		l.handle(n, 1, now)
	case "ping=":
		return wrong(l.pinged(), argument)
	case "lost=":
		unknown, unsent := l.lost()
		list := func(texts [][]byte) string {
			var all []string
			for _, text := range texts {
				all = append(all, string(text))
			}
			return strings.Join(all, ",")
		}
		return wrong(list(unknown)+"/"+list(unsent), argument)
	default:
		return "no such word"
	}
	return ""
}

func cutWord(word string) (name, argument string) {
	for _, name := range []string{"pong=", "pong!", "resume=", "resume!", "login=", "leave", "have=", "ping=", "lost=", "<=", "<", ">>", ">", "+"} {
		if argument, found := strings.CutPrefix(word, name); found {
			return name, argument
		}
	}
	return "", word
}

func TestALedgerIsBounded(t *testing.T) {
	l := &ledger{}
	if !l.hasRoom(10 << 20) {
		t.Error("an empty ledger has no room for a long message; it could never be sent")
	}
	for l.hasRoom(1000) {
		l.add(make([]byte, 1000))
	}
	if n := l.added(); n != retainedBytes/(1000+entryBytes) {
		t.Errorf("%d messages of 1000 bytes; wanted as many as are in %d bytes", n, retainedBytes)
	}
	for range l.added() {
		l.gave(time.Time{})
	}
	if err := l.confirm(1); err != nil || !l.hasRoom(1000) {
		t.Errorf("confirm: %v, room %v; wanted room again", err, l.hasRoom(1000))
	}
	if err := l.confirm(l.added()); err != nil || l.bytes != 0 || l.retained != nil {
		t.Errorf("confirm: %v, %d bytes; wanted nothing retained", err, l.bytes)
	}
}

func TestAPingIsDueForWhatIsUnconfirmed(t *testing.T) {
	begun := time.Unix(1000, 0)
	const after = 5 * time.Second
	for name, c := range map[string]struct {
		do   func(l *ledger)
		want time.Duration // after begun; -1: none is due
	}{
		"nothing":        {func(*ledger) {}, -1},
		"queued":         {func(l *ledger) { l.add(nil) }, -1},
		"sent":           {func(l *ledger) { l.add(nil); l.gave(begun) }, after},
		"came":           {func(l *ledger) { l.came() }, -1},
		"received":       {func(l *ledger) { l.came(); l.handle(1, 1, begun) }, after},
		"the older one":  {func(l *ledger) { l.add(nil); l.gave(begun.Add(time.Second)); l.came(); l.handle(1, 1, begun) }, after},
		"pinged":         {func(l *ledger) { l.add(nil); l.gave(begun); l.pinged() }, -1},
		"sent after it":  {func(l *ledger) { l.add(nil); l.add(nil); l.gave(begun.Add(-time.Hour)); l.pinged(); l.gave(begun) }, after},
		"63 received":    {func(l *ledger) { receiveMany(l, 63, begun) }, after},
		"64 received":    {func(l *ledger) { receiveMany(l, 64, begun) }, 0},
		"32 KB received": {func(l *ledger) { l.came(); l.handle(1, 32<<10, begun) }, 0},
		"32 KB sent":     {func(l *ledger) { l.add(make([]byte, 32<<10)); l.gave(begun) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := &ledger{}
			c.do(l)
			at, ok := l.pingDue(after)
			if got := at.Sub(begun); ok != (c.want >= 0) || ok && got != c.want {
				t.Errorf("due after %v, %v; wanted %v", got, ok, c.want)
			}
		})
	}
}

func receiveMany(l *ledger, n int, now time.Time) {
	for range n {
		number, _ := l.came()
		l.handle(number, 1, now)
	}
}

// Two ledgers play the two ends of a session whose connection drops at any moment. Each message arrives once and in order.
func TestALedgerLosesNothing(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		l := &ledger{}
		var acted []string      // what the service has acted on
		var wire, back []string // what is under way to the service, and to the client
		var sent, got, have int // of the service's own messages: sent on this connection, taken, handled
		added := 0
		for range 400 {
			switch random.IntN(8) {
			case 0:
				l.add(fmt.Appendf(nil, "%d", added))
				added++
			case 1:
				if text, _, ok := l.next(); ok {
					l.gave(time.Time{})
					wire = append(wire, string(text))
				}
			case 2:
				if len(wire) > 0 {
					acted, wire = append(acted, wire[0]), wire[1:]
				}
			case 3:
				if err := l.confirm(uint64(min(len(acted), int(l.cursor)))); err != nil {
					t.Fatalf("seed %d: confirm: %v", seed, err)
				}
			case 4:
				sent++
				back = append(back, fmt.Sprint(sent))
			case 5:
				if len(back) > 0 {
					number, again := l.came()
					if fmt.Sprint(number) != back[0] || again != (int(number) <= got) {
						t.Fatalf("seed %d: message %s came as %d, again %v; %d were taken", seed, back[0], number, again, got)
					}
					got, back = max(got, int(number)), back[1:]
				}
			case 6:
				if have < got {
					have++
					l.handle(uint64(have), 1, time.Time{})
				}
			case 7:
				wire, back = nil, nil
				n := int(l.begin())
				if err := l.resume(uint64(len(acted))); err != nil {
					t.Fatalf("seed %d: resume: %v", seed, err)
				}
				for i := n + 1; i <= sent; i++ {
					back = append(back, fmt.Sprint(i))
				}
			}
		}
		for {
			text, _, ok := l.next()
			if !ok {
				break
			}
			l.gave(time.Time{})
			wire = append(wire, string(text))
		}
		acted = append(acted, wire...)
		want := make([]string, added)
		for i := range want {
			want[i] = fmt.Sprint(i)
		}
		if !slices.Equal(acted, want) {
			t.Fatalf("seed %d: the service has %v; wanted %d messages in order", seed, acted, added)
		}
	}
}
