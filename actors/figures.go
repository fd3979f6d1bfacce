package actors

import (
	"sync/atomic"

	"p2p-messaging/messages"
)

// Figures says what a [System] does and has done since [NewSystem].
type Figures struct {
	// Present is the number of sessions with a connection, and Away that of kept sessions without one.
	Present, Away int
	// AwayBytes is how many bytes the messages occupy that wait for sessions without a connection.
	AwayBytes int
	// Mailboxes is the number of actors, each of which has a mailbox.
	Mailboxes int

	// LoginsAccepted counts the sessions that have begun.
	LoginsAccepted uint64
	// LoginsRefused counts refused logins. It has every code, those included that were never given.
	LoginsRefused map[messages.Code]uint64
	// RelaysRefused counts the messages between clients that were refused, and those to the service that were refused on a
	// connection with a login. It has every code.
	RelaysRefused map[messages.Code]uint64

	// These count the logins that brought the secret of a kept session. Resumed went on with it. Began did not find it any more, or
	// with other counts, and began a new session. ResumesRefused brought a secret that is not that of the session.
	Resumed, Began, ResumesRefused uint64

	// Peers is the number of PeerJS clients among Present. PeersReserved is that of the ids that are reserved for clients without a
	// connection. Messages wait for PeersAwaited ids, and occupy PeersAwaitedBytes. PeersExpired counts the messages and groups of messages
	// whose senders were told that nobody came for them.
	Peers, PeersReserved, PeersAwaited, PeersAwaitedBytes int
	PeersExpired                                          uint64

	// Ended counts the sessions that the operator has ended.
	Ended uint64

	// SessionFailures counts the panics of sessions. Each ends its session. RegistryFailures counts those of the registry, which goes
	// on with its state. ConnectionFailures counts the panics of links that were told a decision.
	SessionFailures, RegistryFailures, ConnectionFailures uint64
}

// counts are the counters of a system. Nothing here is written for a message that is relayed.
type counts struct {
	loginsAccepted                                        atomic.Uint64
	loginsRefused, relaysRefused                          byCode
	resumed, began, resumesRefused, ended                 atomic.Uint64
	sessionFailures, registryFailures, connectionFailures atomic.Uint64
}

// codeCount is the number of codes.
const codeCount = 15

// codes returns every code, in the order in which byCode counts them.
func codes() [codeCount]messages.Code {
	return [...]messages.Code{
		messages.CodeMalformed, messages.CodeUnknownType, messages.CodeNotLoggedIn, messages.CodeAlreadyLoggedIn,
		messages.CodeLoginTaken, messages.CodeLoginInvalid, messages.CodeWrongFrom, messages.CodeWrongLogin,
		messages.CodePeerUnavailable, messages.CodePeerOverloaded, messages.CodePeerUnreachable, messages.CodeAuthRequired,
		messages.CodeAuthFailed, messages.CodeCapacity, messages.CodeTooMany,
	}
}

// byCode counts by code.
type byCode [codeCount]atomic.Uint64

func (b *byCode) add(code messages.Code) {
	for i, c := range codes() {
		if c == code {
			b[i].Add(1)
			return
		}
	}
}

func (b *byCode) figures() map[messages.Code]uint64 {
	figures := make(map[messages.Code]uint64, codeCount)
	for i, c := range codes() {
		figures[c] = b[i].Load()
	}
	return figures
}

// Figures returns what the system does and has done. It takes no lock that a message needs.
func (s *System) Figures() Figures {
	c := &s.counts
	f := Figures{
		LoginsAccepted:     c.loginsAccepted.Load(),
		LoginsRefused:      c.loginsRefused.figures(),
		RelaysRefused:      c.relaysRefused.figures(),
		Resumed:            c.resumed.Load(),
		Began:              c.began.Load(),
		ResumesRefused:     c.resumesRefused.Load(),
		Ended:              c.ended.Load(),
		SessionFailures:    c.sessionFailures.Load(),
		RegistryFailures:   c.registryFailures.Load(),
		ConnectionFailures: c.connectionFailures.Load(),
	}
	f.Away, f.AwayBytes = s.away.figures()
	f.Peers = int(s.peers.present.Load())
	f.PeersReserved, _ = s.peers.reserved.figures()
	f.PeersAwaited, f.PeersAwaitedBytes = s.peers.waiting.figures()
	f.PeersExpired = s.peers.expired.Load()
	sessions := s.Sessions()
	f.Present = max(0, sessions-f.Away) // a session may have ended in between
	// The registry has a mailbox too. So has each id that is reserved or awaited. An id may be both, and is counted twice then.
	f.Mailboxes = sessions + 1 + f.PeersReserved + f.PeersAwaited
	return f
}

// figures returns how many sessions are away, and the bytes that wait for them.
func (a *away) figures() (sessions, bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.count, a.bytes
}

// EachBacklog calls f with the number of messages that wait in mailboxes of sessions. It looks at this number of sessions at most,
// other ones each time.
func (s *System) EachBacklog(most int, f func(messages int)) {
	d := s.directory
	for looked := 0; looked < len(d.parts) && most > 0; looked++ {
		t := d.parts[s.looked.Add(1)%uint32(len(d.parts))].Load()
		for i := range t.owners {
			owner := t.owners[i].Load()
			if owner == nil {
				continue
			}
			if most--; most < 0 {
				return
			}
			f(owner.mailbox.UserMessageCount())
		}
	}
}
