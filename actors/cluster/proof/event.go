package proof

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind says what has happened.
type Kind string

// What a node says of itself.
const (
	// Renewed: the node may act as an owner before Until. If Until is 0, it has fenced itself, and acts no more.
	Renewed Kind = "renewed"
	// Claimed: the store has confirmed that the node owns Login. Nobody has acted on that yet. If the node has taken the place of
	// an owner that has handed its session over, Instead is that owner's claim.
	Claimed Kind = "claimed"
	// Released: the node does not act as the owner of Login any more. Nobody else can own it yet.
	Released Kind = "released"
	// Used: the node acts as the owner of its logins, or of one of them. At is the time at which it looked whether it may.
	Used Kind = "used"
	// Ended: the process of the node has ended.
	Ended Kind = "ended"
)

// What a client says.
const (
	// Accepted: Client has Login from now on.
	Accepted Kind = "accepted"
	// Sent: the client has begun to send a frame.
	Sent Kind = "sent"
	// Delivered: the frame has come to Client, which has the login To.
	Delivered Kind = "delivered"
	// Told: the sender knows that the frame may not have arrived.
	Told Kind = "told"
)

// Event is something that a node or a client has seen. No string of it may have spaces.
type Event struct {
	At   int64 // in nanoseconds, of the clock that all share
	Kind Kind

	Node  string // the node's process: a node that starts again is another one
	Login string // the key of the login
	Claim string // the value of the claim, which no two claims share
	Until int64  // of the same clock

	Instead string // the value of the claim that this one replaces, or ""

	From, To string // the logins of a frame
	Number   int    // of the frame, in the order in which From has sent its frames for To
	Client   string // a client, which logs in once: who logs in again is another one
}

// String returns the event as a line without its end.
func (e Event) String() string {
	switch e.Kind {
	case Renewed:
		return fmt.Sprint(e.At, " ", e.Kind, " ", e.Node, " ", e.Until)
	case Claimed, Released:
		line := fmt.Sprint(e.At, " ", e.Kind, " ", e.Node, " ", e.Login, " ", e.Claim)
		if e.Instead != "" {
			line += " " + e.Instead
		}
		return line
	case Used, Ended:
		return fmt.Sprint(e.At, " ", e.Kind, " ", e.Node)
	case Accepted:
		return fmt.Sprint(e.At, " ", e.Kind, " ", e.Login, " ", e.Client)
	case Delivered:
		return fmt.Sprint(e.At, " ", e.Kind, " ", e.From, " ", e.To, " ", e.Number, " ", e.Client)
	}
	return fmt.Sprint(e.At, " ", e.Kind, " ", e.From, " ", e.To, " ", e.Number)
}

// Parse reads a line that String has written.
func Parse(line string) (e Event, err error) {
	fields := strings.Split(line, " ")
	if len(fields) < 3 {
		return Event{}, fmt.Errorf("not an event: %q", line)
	}
	e.Kind = Kind(fields[1])
	if e.At, err = strconv.ParseInt(fields[0], 10, 64); err != nil {
		return Event{}, fmt.Errorf("not an event: %q: %w", line, err)
	}
	rest := fields[2:]
	switch {
	case e.Kind == Renewed && len(rest) == 2:
		e.Node = rest[0]
		e.Until, err = strconv.ParseInt(rest[1], 10, 64)
	case (e.Kind == Claimed || e.Kind == Released) && len(rest) == 3:
		e.Node, e.Login, e.Claim = rest[0], rest[1], rest[2]
	case e.Kind == Claimed && len(rest) == 4:
		e.Node, e.Login, e.Claim, e.Instead = rest[0], rest[1], rest[2], rest[3]
	case (e.Kind == Used || e.Kind == Ended) && len(rest) == 1:
		e.Node = rest[0]
	case e.Kind == Accepted && len(rest) == 2:
		e.Login, e.Client = rest[0], rest[1]
	case (e.Kind == Sent || e.Kind == Told) && len(rest) == 3:
		e.From, e.To = rest[0], rest[1]
		e.Number, err = strconv.Atoi(rest[2])
	case e.Kind == Delivered && len(rest) == 4:
		e.From, e.To, e.Client = rest[0], rest[1], rest[3]
		e.Number, err = strconv.Atoi(rest[2])
	default:
		return Event{}, fmt.Errorf("not an event: %q", line)
	}
	if err != nil {
		return Event{}, fmt.Errorf("not an event: %q: %w", line, err)
	}
	return e, nil
}
