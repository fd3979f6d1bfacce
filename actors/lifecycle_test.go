package actors

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

// family is a parent and its child, both with mailboxes of this package, and a record of what happens to them. Actors run on
// the goroutine that sends to them, so everything has happened when a send returns.
type family struct {
	*actor.RootContext
	happened      []string
	terms         terms
	parent, child *actor.PID
}

// relative is an actor of a family.
type relative struct {
	*family
	name    string
	mailbox *mailbox
}

// newFamily starts a family. The parent's strategy handles failures of the child. The guardian's strategy handles failures
// of the parent.
func newFamily(parent, guardian actor.Directive) *family {
	discard := actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) })
	brief := actor.WithDeadLetterThrottleInterval(time.Nanosecond) // a goroutine stays for that long after a dead letter
	system := actor.NewActorSystem(discard, brief)
	f := &family{RootContext: system.Root}
	f.terms = terms{limit: 100, handBack: func(message any, _ messages.Code) { f.note("handed back", message) }}
	system.EventStream.Subscribe(func(event any) {
		if letter, ok := event.(*actor.DeadLetterEvent); ok {
			f.note("dead letter", fmt.Sprintf("%T", letter.Message))
		}
	})
	f.parent = f.Spawn(f.props("parent", actor.WithSupervisor(always(parent)), actor.WithGuardian(always(guardian))))
	return f
}

func always(d actor.Directive) actor.SupervisorStrategy {
	return actor.NewOneForOneStrategy(10, 0, func(any) actor.Directive { return d })
}

// props makes a new actor at a restart and keeps its mailbox.
func (f *family) props(name string, options ...actor.PropsOption) *actor.Props {
	m := &mailbox{terms: &f.terms}
	return actor.PropsFromProducer(func() actor.Actor { return &relative{f, name, m} },
		append(options, actor.WithMailbox(func() actor.Mailbox { return m }))...)
}

func (f *family) note(who string, what any) {
	f.happened = append(f.happened, fmt.Sprint(who, ": ", what))
}

func (r *relative) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		r.note(r.name, "started")
		if r.name == "parent" {
			r.child = ctx.Spawn(r.props("child"))
		}
	case *actor.Terminated:
		r.note(r.name, map[bool]string{true: "child terminated", false: "parent terminated"}[m.Who.Equal(r.child)])
	case *actor.Stopping:
		r.note(r.name, "stopping")
		r.mailbox.close()
	case *actor.Stopped, *actor.Restarting:
		r.note(r.name, fmt.Sprintf("%T", m)[len("*actor."):])
	case func(actor.Context):
		m(ctx)
	default:
		r.note(r.name, m)
	}
}

// protoactor starts, restarts and stops the actors here too.
func TestAnActorInOurMailboxLivesByProtoactorsRules(t *testing.T) {
	broken := func(ctx actor.Context) {
		ctx.Send(ctx.Self(), "waiting")
		panic("a fault")
	}
	for _, c := range []struct {
		name             string
		parent, guardian actor.Directive
		act              func(*family)
		want             []string
	}{
		{"stop: what waits is not handled, but not lost", 0, 0, func(f *family) {
			f.Send(f.child, func(ctx actor.Context) { ctx.Send(ctx.Self(), "waiting"); ctx.Stop(ctx.Self()) })
		}, []string{"child: stopping", "handed back: waiting", "child: Stopped", "parent: child terminated"}},

		{"poison: what waits is handled first", 0, 0, func(f *family) {
			f.Send(f.child, func(ctx actor.Context) {
				ctx.Send(ctx.Self(), "waiting")
				ctx.Poison(ctx.Self())
				ctx.Send(ctx.Self(), "too late")
			})
		}, []string{"child: waiting", "child: stopping", "handed back: too late", "child: Stopped", "parent: child terminated"}},

		{"stopping a parent stops its child first", 0, 0, func(f *family) {
			f.Stop(f.parent)
		}, []string{"parent: stopping", "child: stopping", "child: Stopped", "parent: child terminated", "parent: Stopped"}},

		{"watch", 0, 0, func(f *family) {
			watcher := f.Spawn(f.props("watcher"))
			f.Send(watcher, func(ctx actor.Context) { ctx.Watch(f.child) })
			f.Stop(f.child)
		}, []string{"watcher: started", "child: stopping", "child: Stopped", "watcher: child terminated", "parent: child terminated"}},

		{"unwatch", 0, 0, func(f *family) {
			watcher := f.Spawn(f.props("watcher"))
			f.Send(watcher, func(ctx actor.Context) { ctx.Watch(f.child); ctx.Unwatch(f.child) })
			f.Stop(f.child)
		}, []string{"watcher: started", "child: stopping", "child: Stopped", "parent: child terminated"}},

		{"a failure that the parent resumes", actor.ResumeDirective, 0, func(f *family) {
			f.Send(f.child, broken)
		}, []string{"child: waiting"}},

		{"a failure that the parent answers with a restart", actor.RestartDirective, 0, func(f *family) {
			f.Send(f.child, broken)
		}, []string{"child: Restarting", "child: started", "child: waiting"}},

		{"a failure that the parent answers with a stop", actor.StopDirective, 0, func(f *family) {
			f.Send(f.child, broken)
		}, []string{"child: stopping", "handed back: waiting", "child: Stopped", "parent: child terminated"}},

		{"a failure that the parent escalates to the guardian, which stops the parent", actor.EscalateDirective, actor.StopDirective, func(f *family) {
			f.Send(f.child, broken)
		}, []string{"parent: stopping", "child: stopping", "handed back: waiting", "child: Stopped", "parent: child terminated", "parent: Stopped"}},

		{"a failure that the parent escalates to the guardian, which restarts the parent", actor.EscalateDirective, actor.RestartDirective, func(f *family) {
			f.Send(f.child, broken)
		}, []string{"parent: Restarting", "child: stopping", "handed back: waiting", "child: Stopped", "parent: child terminated", "parent: started", "child: started"}},

		{"dead letters", 0, 0, func(f *family) {
			f.Stop(f.child)
			f.happened = nil
			f.Send(f.child, "too late")
			watcher := f.Spawn(f.props("watcher"))
			f.Send(watcher, func(ctx actor.Context) { ctx.Watch(f.child) })
		}, []string{"dead letter: string", "watcher: started", "dead letter: *actor.Watch", "watcher: child terminated"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFamily(c.parent, c.guardian)
			if want := []string{"parent: started", "child: started"}; !slices.Equal(f.happened, want) {
				t.Fatalf("at the start: %q, want %q", f.happened, want)
			}
			f.happened = nil
			c.act(f)
			if !slices.Equal(f.happened, c.want) {
				t.Errorf("got  %q\nwant %q", f.happened, c.want)
			}
		})
	}
}

func TestASessionMayBeWatched(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *peer){
		"a logout":               func(t *testing.T, p *peer) { p.logout(t) },
		"the connection's end":   func(_ *testing.T, p *peer) { p.Closed(false) },
		"a failure":              func(t *testing.T, p *peer) { fail(t, p) },
		"the end of the service": func(t *testing.T, p *peer) { _ = p.system.Stop(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestSystem(t, Options{Logger: slog.New(slog.DiscardHandler)})
			alice := join(t, s, "alice")
			session := alice.session
			var ended []*actor.PID
			m := &mailbox{terms: &s.terms}
			watcher := s.root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
				switch m := ctx.Message().(type) {
				case *actor.Started:
					ctx.Watch(session)
				case *actor.Terminated:
					ended = append(ended, m.Who)
				}
			}, actor.WithMailbox(func() actor.Mailbox { return m })))
			if len(ended) != 0 {
				t.Fatal("a session that lives was said to have ended")
			}
			end(t, alice)
			if len(ended) != 1 || ended[0] != session {
				t.Errorf("the watcher was told of %v, want %v", ended, session)
			}
			s.root.Stop(watcher)
		})
	}
}

// fail has a session fail.
func fail(t *testing.T, p *peer) {
	p.link.onSend = func(string) { panic("broken") }
	p.send(t, `{"type":"logout","login":"not hers"}`)
}
