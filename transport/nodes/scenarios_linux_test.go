package nodes

import (
	"slices"
	"testing"
	"time"

	"p2p-messaging/messages"
)

// rounds returns how often something is done: once, or as often as this in the long form.
func rounds(often int) int {
	if long() {
		return often
	}
	return 1
}

// three are the names of three hosts for nodes, and of three for members of etcd.
func three() (members, nodes []string) {
	return []string{"e1", "e2", "e3"}, []string{"n1", "n2", "n3"}
}

// all are the names of hosts.
func all() []string {
	members, nodes := three()
	return slices.Concat(members, nodes)
}

// freeze has a process stand still for longer than a lease lasts.
func freeze(p *process) {
	p.freeze()
	time.Sleep(ttl + time.Second)
	p.thaw()
}

// TestNodesComeAndGo kills nodes, freezes them for longer than their leases last, and restarts them one after the other.
func TestNodesComeAndGo(t *testing.T) {
	t.Parallel()
	members, names := three()
	g := form(t, onLoopback(all()...), "", members, names)
	c := g.crowd(t, 15, 40*time.Millisecond)
	c.contend(6*rounds(3), 4*rounds(3))
	for round := range rounds(20) {
		n, other := g.nodes[round%3], g.nodes[(round+1)%3]
		seen := n.watchDeath(t, other, n.die)
		t.Logf("%s was killed: senders were told within %v (%v), half of them within %v; its logins were free after %v",
			n.host.name, seen.told[0], seen.codes, seen.told[len(seen.told)/2], seen.free)
		if seen.codes[messages.CodePeerUnavailable] != len(seen.told) {
			t.Errorf("the senders were told %v", seen.codes)
		}
		if seen.free > ttl+3*time.Second { // a second more than it takes, on a machine that does other things, too
			t.Errorf("the logins of the dead were free after %v", seen.free)
		}
		n.start(t)
		n.wait(t)
		c.gather(t)
	}
	for round := range rounds(10) {
		n := g.nodes[(round+1)%3]
		freeze(n.process)
		n.wait(t)
		c.gather(t)
	}
	g.restartEach(t, c, rounds(10))
	right(t, c, g.check(t, c))
}

// TestTheStoreFails kills the leader of etcd, freezes the next one, and has all of etcd go away and come back.
func TestTheStoreFails(t *testing.T) {
	t.Parallel()
	members, names := three()
	g := form(t, onLoopback(all()...), "", members, names)
	c := g.crowd(t, 9, 40*time.Millisecond)
	c.contend(4, 4)
	for range rounds(5) {
		leader := g.store.leader(t)
		leader.kill()
		g.store.leader(t)
		leader.run(t)
		g.store.wait(t)
		c.gather(t)

		leader = g.store.leader(t)
		freeze(leader.process)
		g.store.wait(t)
		c.gather(t)

		if !long() {
			break
		}
		for _, m := range g.store.members {
			m.kill()
		}
		for _, n := range g.nodes {
			eventually(t, 4*ttl, n.host.name+" is not ready without etcd", func() bool { return !n.ready() })
		}
		for _, m := range g.store.members {
			m.run(t)
		}
		g.store.wait(t)
		for _, n := range g.nodes {
			n.wait(t)
		}
		c.gather(t)
	}
	right(t, c, g.check(t, c))
}

// TestNodesAreCutOff cuts nodes off from each other, from etcd, and from both, in one direction and in both.
func TestNodesAreCutOff(t *testing.T) {
	t.Parallel()
	members, names := three()
	network := inNamespaces(t, all()...)
	g := form(t, network, "", members, names)
	c := g.crowd(t, 9, 40*time.Millisecond)
	c.contend(4, 4)
	one, others := names[:1], names[1:]
	cuts := []func(){
		func() { network.cut(t, one, slices.Concat(others, members)) },
		func() { network.oneWay(t, one, slices.Concat(others, members)) },
		func() { network.cut(t, one, others) },
		func() { network.oneWay(t, members, one) },
		func() { network.cut(t, one, members) },
		func() { network.oneWay(t, others, one) },
		func() { network.cut(t, slices.Concat(one, members[:1]), slices.Concat(others, members[1:])) },
	}
	if !long() {
		cuts = cuts[:2]
	}
	for round := range rounds(2) {
		for _, cut := range cuts {
			cut()
			time.Sleep(ttl + time.Second + time.Duration(round)*4*ttl) // the cut lasts longer than a lease
			network.mend(t)
			for _, n := range g.nodes {
				n.wait(t)
			}
			c.gather(t)
		}
	}
	right(t, c, g.check(t, c))
}
