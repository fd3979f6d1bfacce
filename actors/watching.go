package actors

import (
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

// watchedPerFrame is how many logins of a watch cost as much as one frame of the rate.
const watchedPerFrame = 8

// watch answers a watch, and makes it that of the session.
func (s *session) watch(ctx actor.Context, m *messages.Send) {
	p := &s.system().presence
	if p.off {
		s.reply(ctx, messages.CodeUnknownType, nil)
		return
	}
	logins := m.Request.Logins
	cost := (len(logins) + watchedPerFrame - 1) / watchedPerFrame
	for _, login := range logins {
		cost += messages.LoginCost(login)
	}
	s.link().Charge(cost)
	s.begin(newWatch(s.pid(), logins))
}

// begin makes a watch that of the session, and tells the client all that it watches.
func (s *session) begin(w *watch) {
	s.system().presence.replace(s, w) // before the directory is read, so that no change is missed
	if s.system().cluster == nil || len(w.logins) == 0 {
		s.tellPresence(w)
		return
	}
	root, self := s.system().root, s.pid()
	s.system().locate(w.keys(), func() { root.Send(self, located{w}) })
}

// located tells the client all that it watches, if it still does.
func (s *session) located(m located) {
	if s.system().presence.of(s) == m.watch {
		s.tellPresence(m.watch)
	}
}

// tellPresence tells the client all that it watches.
func (s *session) tellPresence(w *watch) {
	w.told = true
	s.system().presence.take(w) // it is told now
	all := make([]int, len(w.logins))
	for i := range all {
		all[i] = i
		w.logins[i].online = s.system().isOnline(w.logins[i].key)
	}
	s.link().Send(w.appendPresence(nil, all))
}

// news tells the client what has changed. A client that reads slowly is told later, and then what holds then.
func (s *session) news(m news) {
	p := &s.system().presence
	if p.of(s) != m.watch || !m.watch.told { // located tells all
		return
	}
	switch k := s.kept(); {
	case k != nil && k.absence != nil: // it is told all when it comes back
		p.take(m.watch)
		return
	case s.link().Waiting() > s.mailbox.terms.limit/4:
		p.postpone(m.watch)
		return
	}
	var places []int
	noted := p.take(m.watch)
	slices.Sort(noted)
	for _, i := range noted {
		if login := &m.watch.logins[i]; s.system().isOnline(login.key) != login.online {
			login.online = !login.online
			places = append(places, i)
		}
	}
	if len(places) > 0 {
		s.link().Send(m.watch.appendPresence(nil, places))
	}
}

// appendPresence appends the message about the logins at these places to dst.
func (w *watch) appendPresence(dst []byte, places []int) []byte {
	var online, offline []string
	for _, i := range places {
		if login := &w.logins[i]; login.online {
			online = append(online, login.shown)
		} else {
			offline = append(offline, login.shown)
		}
	}
	return messages.AppendPresence(dst, online, offline)
}
