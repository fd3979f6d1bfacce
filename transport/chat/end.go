package chat

import (
	"cmp"
	"errors"

	"p2p-messaging/messages"
	"p2p-messaging/transport/arguments"
	"p2p-messaging/transport/client"
)

// end is why a call is over.
type end string

const (
	endHungUp        end = "hung up" // by the person here
	endLeft          end = "left"    // by the other side
	endDeclined      end = "declined"
	endNoRelay       end = "no relay" // the other page may use only relays, and has none
	endBusy          end = "busy"
	endUnavailable   end = "unavailable"   // nobody has that login
	endUndeliverable end = "undeliverable" // the service could not pass a frame on
	endNoAnswer      end = "no answer"     // in time
	endNoConnection  end = "no connection" // both sides are there, but ICE found no route
	endLost          end = "lost"          // it was open, and the connection broke
	endAway          end = "away"          // the other page is being closed or loaded again
	endUnproven      end = "unproven"      // it is not clear which certificate the other side has
	endGarbled       end = "garbled"       // the other side sent something that makes no sense
	endForeign       end = "foreign"       // the other side is a client of the original protocol
	endSuperseded    end = "superseded"    // another call of the same two takes its place
)

// farewell returns what the other side is told by way of the service when this side ends a call; "" for nothing.
func (e end) farewell() string {
	switch e {
	case endHungUp, endUndeliverable, endUnproven, endGarbled, endForeign:
		return byeLeft
	case endNoAnswer, endNoConnection, endLost:
		return byeLost
	}
	return ""
}

// final reports whether nobody calls again to restore the call.
func (e end) final() bool {
	switch e {
	case endHungUp, endLeft, endDeclined, endNoRelay, endUnproven, endGarbled, endForeign:
		return true
	}
	return false
}

// told returns what the person is told of a call that did not open, or an end without further attempts.
func (e end) told(peer string) string {
	switch e {
	case endLeft:
		return peer + " left"
	case endDeclined:
		return peer + " declined"
	case endNoRelay:
		return peer + " takes only calls over a relay, and the service offers none"
	case endBusy:
		return peer + " has too many calls now"
	case endUnavailable:
		return peer + " is not there"
	case endUndeliverable:
		return "the service could not reach " + peer
	case endNoAnswer:
		return peer + " did not answer"
	case endNoConnection:
		return "no way to " + peer + " was found. A service that offers a relay would help"
	case endLost, endAway:
		return "the connection to " + peer + " is lost"
	case endUnproven:
		return "the call with " + peer + " does not show which certificate " + peer + " has. Somebody may have changed it on the way"
	case endGarbled:
		return peer + " sent something that makes no sense. The conversation has ended"
	case endForeign:
		return peer + " uses a client that this one cannot talk to"
	}
	return ""
}

// status returns the exit status of a command that was to reach somebody whose call ended so.
func (e end) status() int {
	switch e {
	case endUnavailable, endLeft, endAway:
		return StatusAbsent
	case endDeclined, endNoRelay, endBusy:
		return StatusDeclined
	case endNoConnection, endLost, endUndeliverable:
		return StatusNoWay
	case endNoAnswer:
		return StatusTimeout
	case endUnproven:
		return StatusIdentity
	}
	return arguments.StatusFailure
}

// sessionEnd says in words why the session with the service has ended, and the client does not come back.
func sessionEnd(err error) string {
	closed, isClosed := errors.AsType[*client.CloseError](err)
	refused, isRefused := errors.AsType[*client.RefusedError](err)
	wrong, isWrong := errors.AsType[*UsageError](err)
	switch {
	case isClosed && closed.Code == messages.CloseEnded:
		return "the operator of the service has ended your session"
	case isClosed && closed.Code == messages.CloseTakenOver:
		return "another connection has taken your login over"
	case isRefused:
		return "the service refuses the login: " + oneLine(cmp.Or(refused.Message, refused.Error()))
	case isWrong:
		return wrong.Reason
	}
	return "the service ended the session: " + oneLine(err.Error())
}
