package proof

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// events parses lines.
func events(t *testing.T, text string) []Event {
	t.Helper()
	var all []Event
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			e, err := Parse(line)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e)
		}
	}
	return all
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		events string
		want   []string // a part of each fault
	}{
		"nothing": {},
		"an owner acts within its time": {events: `
			10 renewed n1 100
			20 claimed n1 bob c1
			20 used n1
			99 used n1`},
		"a renewal extends the time": {events: `
			10 renewed n1 100
			20 claimed n1 bob c1
			90 renewed n1 200
			199 used n1`},
		"one owner after the other": {events: `
			10 renewed n1 100
			10 renewed n2 100
			20 claimed n1 bob c1
			30 released n1 bob c1
			31 claimed n2 bob c2
			40 used n2`},
		"another takes the login when the deadline has passed": {events: `
			10 renewed n1 100
			20 claimed n1 bob c1
			90 renewed n2 200
			100 claimed n2 bob c2
			150 used n2`},
		"another takes the login when the process has ended": {events: `
			10 renewed n1 100
			10 renewed n2 100
			20 claimed n1 bob c1
			30 ended n1
			31 claimed n2 bob c2`},
		"a node that fenced itself comes back with another claim": {events: `
			10 renewed n1 100
			20 claimed n1 bob c1
			50 renewed n1 0
			60 renewed n1 300
			60 released n1 bob c1
			70 claimed n1 bob c2
			80 used n1`},
		"a login is released twice": {events: `
			10 renewed n1 100
			20 claimed n1 bob c1
			30 released n1 bob c1
			35 renewed n2 100
			40 claimed n2 bob c2
			50 released n1 bob c1`},
		"a session moves to another node": {events: `
			10 renewed n1 100
			10 renewed n2 100
			20 claimed n1 bob c1
			30 claimed n2 bob c2 c1
			40 released n1 bob c1`},
		"two nodes own different logins": {events: `
			10 renewed n1 100
			10 renewed n2 100
			20 claimed n1 bob c1
			20 claimed n2 amy c2
			30 used n1
			30 used n2`},

		"two owners": {events: `
			10 renewed n1 100
			10 renewed n2 100
			20 claimed n1 bob c1
			30 claimed n2 bob c2`, want: []string{"bob had two owners for 70ns: n1 since 20ns, and n2 since 30ns"}},
		"two nodes take the place of one": {events: `
			10 renewed n1 100
			10 renewed n2 100
			10 renewed n3 100
			20 claimed n1 bob c1
			30 claimed n2 bob c2 c1
			40 claimed n3 bob c3 c1`, want: []string{"bob had two owners for 60ns: n2 since 30ns, and n3 since 40ns"}},
		"another login's owner is replaced": {events: `
			10 renewed n1 100
			10 renewed n2 100
			20 claimed n1 bob c1
			20 claimed n1 amy c2
			30 claimed n2 bob c3 c2`, want: []string{"bob had two owners for 70ns"}},
		"two owners on one node": {events: `
			10 renewed n1 100
			20 claimed n1 bob c1
			30 claimed n1 bob c2
			40 released n1 bob c2`, want: []string{"bob had two owners for 10ns"}},
		"the deadline is too late": {events: `
			10 renewed n1 100
			10 renewed n2 200
			20 claimed n1 bob c1
			99 claimed n2 bob c2`, want: []string{"bob had two owners for 1ns"}},
		"a late renewal makes an owner of one who was not any more": {events: `
			10 renewed n1 100
			20 claimed n1 bob c1
			110 renewed n2 300
			120 claimed n2 bob c2
			150 renewed n1 200`, want: []string{"bob had two owners for 50ns: n2 since 120ns, and n1 since 150ns"}},
		"one overlaps two": {events: `
			10 renewed n1 100
			10 renewed n2 100
			20 claimed n1 bob c1
			30 claimed n2 bob c2
			40 released n2 bob c2
			50 claimed n2 bob c3
			60 released n2 bob c3`, want: []string{"bob had two owners for 10ns", "bob had two owners for 10ns"}},
		"two claims with one value": {events: `
			10 renewed n1 100
			10 renewed n2 100
			20 claimed n1 bob c1
			30 released n1 bob c1
			40 claimed n2 bob c1`, want: []string{"two claims have the value c1"}},

		"a use past the deadline": {events: `
			10 renewed n1 100
			20 claimed n1 bob c1
			100 used n1`, want: []string{"n1 acted as an owner at 100ns: its deadline had passed 0s before"}},
		"a use past the deadline that a renewal hides": {events: `
			10 renewed n1 100
			20 claimed n1 bob c1
			110 used n1
			120 renewed n1 200`, want: []string{"its deadline had passed 10ns before"}},
		"a use behind the fence": {events: `
			10 renewed n1 100
			20 claimed n1 bob c1
			30 renewed n1 0
			40 used n1`, want: []string{"it had fenced itself"}},
		"a use without a lease": {events: `
			20 claimed n1 bob c1
			40 used n1`, want: []string{"it had fenced itself"}},
		"a use by a dead process": {events: `
			10 renewed n1 100
			20 claimed n1 bob c1
			30 ended n1
			40 used n1`, want: []string{"its process had ended 10ns before"}},

		"frames arrive, or their sender is told, or both": {events: `
			10 sent amy bob 1
			11 sent amy bob 2
			12 sent amy bob 3
			20 delivered amy bob 1 bob#1
			21 told amy bob 2
			22 delivered amy bob 3 bob#1
			30 told amy bob 3`},
		"pairs do not wait for each other": {events: `
			10 sent amy bob 1
			11 sent amy bob 2
			12 sent joe bob 1
			20 delivered amy bob 1 bob#1
			21 delivered amy bob 2 bob#1
			22 delivered joe bob 1 bob#1`},
		"a frame arrives twice": {events: `
			10 sent amy bob 1
			20 delivered amy bob 1 bob#1
			30 delivered amy bob 1 bob#1`, want: []string{"bob got frame 1 of amy twice"}},
		"a frame arrives out of order": {events: `
			10 sent amy bob 1
			11 sent amy bob 2
			20 delivered amy bob 2 bob#1
			30 delivered amy bob 1 bob#1`, want: []string{"bob got frame 1 of amy behind frame 2"}},
		"a frame that its sender was told of arrives out of order": {events: `
			10 sent amy bob 1
			11 sent amy bob 2
			15 told amy bob 1
			20 delivered amy bob 2 bob#1
			30 delivered amy bob 1 bob#1`},
		"a sender is told of a frame only when it has come out of order": {events: `
			10 sent amy bob 1
			11 sent amy bob 2
			20 delivered amy bob 2 bob#1
			30 delivered amy bob 1 bob#1
			35 told amy bob 1`, want: []string{"bob got frame 1 of amy behind frame 2"}},
		"a frame is lost": {events: `
			10 sent amy bob 1
			11 sent amy bob 2
			20 delivered amy bob 2 bob#1`, want: []string{"frame 1 of amy for bob, sent at 10ns, is lost, and amy was not told"}},
		"the wrong sender is told": {events: `
			10 sent amy bob 1
			20 told joe bob 1`, want: []string{"frame 1 of amy for bob"}},
		"the wrong client gets a frame": {events: `
			10 sent amy bob 1
			20 delivered amy joe 1 joe#1`, want: []string{"joe got frame 1 of amy, who had not sent it", "frame 1 of amy for bob"}},
		"a frame that was sent before a client had the login arrives at the one before": {events: `
			1 accepted bob bob#1
			10 sent amy bob 1
			11 accepted bob bob#2
			20 delivered amy bob 1 bob#1`},
		"a frame that is sent when a client has the login arrives at the one before": {events: `
			1 accepted bob bob#1
			9 accepted bob bob#2
			10 sent amy bob 1
			20 delivered amy bob 1 bob#1`, want: []string{"bob#1 got frame 1 of amy, sent 1ns after bob#2 had got the login bob"}},
		"a frame arrives before it was sent": {events: `
			20 sent amy bob 1
			10 delivered amy bob 1 bob#1`, want: []string{"10ns before it was sent"}},
	} {
		t.Run(name, func(t *testing.T) {
			all := events(t, c.events)
			rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] }) // Events come from many files.
			faults := Check(all).Faults
			if len(faults) != len(c.want) {
				t.Fatalf("the faults are\n%s\nwanted %d", strings.Join(faults, "\n"), len(c.want))
			}
			for i, want := range c.want {
				if !strings.Contains(faults[i], want) {
					t.Errorf("a fault is\n%s\nwanted\n%s", faults[i], want)
				}
			}
		})
	}
}

// TestAFaultAmongManyEventsIsFound plants one fault after another into the events of a long run without fault.
func TestAFaultAmongManyEventsIsFound(t *testing.T) {
	var right []Event
	random := rand.New(rand.NewPCG(1, 2))
	at := int64(0)
	nodes := []string{"n1", "n2", "n3"}
	logins := []string{"amy", "bob", "joe"}
	for _, n := range nodes {
		right = append(right, Event{At: 1, Kind: Renewed, Node: n, Until: 1 << 40})
	}
	numbers := map[string]int{}
	for i := range 2000 {
		at += 10
		node, login := nodes[random.IntN(3)], logins[random.IntN(3)]
		claim := string(rune('a'+i%26)) + strings.Repeat("x", i/26)
		to := logins[random.IntN(3)]
		numbers[login+to]++
		right = append(right,
			Event{At: at, Kind: Claimed, Node: node, Login: login, Claim: claim},
			Event{At: at + 1, Kind: Used, Node: node},
			Event{At: at + 2, Kind: Sent, From: login, To: to, Number: numbers[login+to]},
			Event{At: at + 3, Kind: Delivered, From: login, To: to, Number: numbers[login+to], Client: to},
			Event{At: at + 4, Kind: Released, Node: node, Login: login, Claim: claim})
	}
	report := Check(slices.Clone(right))
	if report.Faults != nil || report.Claims != 2000 || report.Uses != 2000 || report.Sent != 2000 || report.Delivered != 2000 {
		t.Fatalf("the report without a fault is %+v", report)
	}
	find := func(kind Kind) int {
		for {
			if i := random.IntN(len(right)); right[i].Kind == kind {
				return i
			}
		}
	}
	for name, plant := range map[string]func(all []Event) []Event{
		"a use is late":          func(all []Event) []Event { all[find(Used)].At += 1 << 40; return all },
		"a use is early":         func(all []Event) []Event { all[find(Used)].At = 0; return all },
		"a release is late":      func(all []Event) []Event { all[find(Released)].At += 1 << 20; return all },
		"a release is missing":   func(all []Event) []Event { i := find(Released); return slices.Delete(all, i, i+1) },
		"a delivery is missing":  func(all []Event) []Event { i := find(Delivered); return slices.Delete(all, i, i+1) },
		"a delivery comes again": func(all []Event) []Event { return append(all, all[find(Delivered)]) },
		"a claim comes again":    func(all []Event) []Event { return append(all, all[find(Claimed)]) },
	} {
		if Check(plant(slices.Clone(right))).Faults == nil {
			t.Errorf("%s, and nothing is found", name)
		}
	}
}

func TestEventsAreReadAsTheyWereWritten(t *testing.T) {
	var file bytes.Buffer
	clock := int64(100)
	node := NewRecorder(&file, "n1", func() int64 { clock++; return clock })
	node.Record(Event{Kind: Renewed, Until: 7})
	node.Record(Event{Kind: Claimed, Login: "bob", Claim: "c1"})
	node.Record(Event{At: 50, Kind: Claimed, Login: "bob", Claim: "c2", Instead: "c1"})
	node.Record(Event{At: 55, Kind: Used})
	node.Record(Event{Kind: Released, Login: "bob", Claim: "c1"})
	node.Record(Event{Kind: Ended})
	clients := NewRecorder(&file, "", node.now)
	clients.Record(Event{Kind: Accepted, Login: "bob", Client: "bob#1"})
	clients.Record(Event{Kind: Sent, From: "amy", To: "bob", Number: 3})
	clients.Record(Event{Kind: Delivered, From: "amy", To: "bob", Number: 3, Client: "bob#1"})
	clients.Record(Event{Kind: Told, From: "amy", To: "bob", Number: 3})
	file.WriteString("999 used n1 bo") // The process was killed here.
	got, err := Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	want := []Event{
		{At: 101, Kind: Renewed, Node: "n1", Until: 7},
		{At: 102, Kind: Claimed, Node: "n1", Login: "bob", Claim: "c1"},
		{At: 50, Kind: Claimed, Node: "n1", Login: "bob", Claim: "c2", Instead: "c1"},
		{At: 55, Kind: Used, Node: "n1"},
		{At: 103, Kind: Released, Node: "n1", Login: "bob", Claim: "c1"},
		{At: 104, Kind: Ended, Node: "n1"},
		{At: 105, Kind: Accepted, Login: "bob", Client: "bob#1"},
		{At: 106, Kind: Sent, From: "amy", To: "bob", Number: 3},
		{At: 107, Kind: Delivered, From: "amy", To: "bob", Number: 3, Client: "bob#1"},
		{At: 108, Kind: Told, From: "amy", To: "bob", Number: 3},
	}
	if !slices.Equal(got, want) {
		t.Errorf("read %v, wanted %v", got, want)
	}
}

func TestWhatIsNoEventIsRefused(t *testing.T) {
	for _, line := range []string{"", "1", "1 claimed n1", "x used n1", "1 bought n1 bob c1", "1 sent amy bob x", "1 renewed n1 soon", "1 used n1 more"} {
		if e, err := Parse(line); err == nil {
			t.Errorf("%q became %v", line, e)
		}
		if _, err := Read(strings.NewReader("1 ended n1\n" + line + "\n")); err == nil {
			t.Errorf("%q was read", line)
		}
	}
}

func TestARecorderKeepsItsFirstError(t *testing.T) {
	r := NewRecorder(failing{}, "n1", func() int64 { return 1 })
	if r.Err() != nil {
		t.Error("there is an error before the first write")
	}
	r.Record(Event{Kind: Ended})
	if r.Err() != io.ErrShortWrite {
		t.Errorf("the error is %v", r.Err())
	}
}

// failing is a file that takes nothing.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
