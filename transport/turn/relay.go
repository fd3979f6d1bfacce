package turn

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	pion "github.com/pion/turn/v5"
	"golang.org/x/time/rate"

	"p2p-messaging/transport/internal/files"
)

// attempts is how often a random port is tried for an allocation.
const attempts = 32

// burst is how many bytes an allocation may relay at once before the rates apply. It holds some 40 datagrams.
const burst = 64 << 10

var (
	errFull  = errors.New("the greatest number of allocations is reached")
	errFiles = errors.New("the process has hardly any files left")
	errTCP   = errors.New("this server relays UDP only (RFC 8656), not TCP (RFC 6062)")
)

// relays are the allocations of a server. They implement [pion.RelayAddressGenerator] for each address family.
type relays struct {
	options *Options
	peers   peers
	rate    *rate.Limiter // of all; nil: no limit
	socket  *socket       // by which the server reaches clients over UDP
	batches batches
	reserve files.Reserve // for who signals

	mu       sync.Mutex
	taken    int                       // allocations, those included whose socket is being opened
	made     uint64                    // allocations since the start
	refused  uint64                    // allocations that were refused because there were too many
	ended    relayed                   // by allocations that have ended
	open     map[netip.AddrPort]*relay // by relayed transport address
	byClient map[netip.AddrPort]*relay // those that have channels, of clients over UDP
	asking   map[client]*relay         // by who may ask for permissions and channels
	byLogin  map[string]*user
}

// user is what the allocations of one login share.
type user struct {
	allocations int
	rate        *rate.Limiter // nil: no limit
}

func newRelays(o *Options, p peers, socket *socket) *relays {
	return &relays{
		options: o, peers: p, rate: limiter(o.Rate), socket: socket, reserve: files.NewReserve(files.Limit()),
		open: make(map[netip.AddrPort]*relay), byClient: make(map[netip.AddrPort]*relay), asking: make(map[client]*relay), byLogin: make(map[string]*user),
	}
}

// limiter returns nil for 0.
func limiter(bytesPerSecond int) *rate.Limiter {
	if bytesPerSecond == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(bytesPerSecond), max(burst, bytesPerSecond/4))
}

// permits implements [pion.PermissionHandler]. Two clients whose allocations are both on this server may send to each other, so the
// public addresses are permitted. For those [relay.WriteTo] looks at the port, too.
func (r *relays) permits(from net.Addr, peer net.IP) bool {
	address, ok := netip.AddrFromSlice(peer)
	return ok && (r.isPublic(address.Unmap()) || r.peers.permits(address)) && r.hasRoom(from, address.Unmap())
}

func (r *relays) isPublic(address netip.Addr) bool {
	return slices.Contains(r.options.Public, address)
}

// at returns the allocation with a relayed transport address.
func (r *relays) at(address netip.AddrPort) *relay {
	if !r.isPublic(address.Addr()) {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open[address]
}

// Validate implements [pion.RelayAddressGenerator].
func (*relays) Validate() error { return nil }

// AllocateListener implements [pion.RelayAddressGenerator].
func (*relays) AllocateListener(pion.AllocateListenerConfig) (net.Listener, net.Addr, error) {
	return nil, nil, errTCP
}

// AllocateConn implements [pion.RelayAddressGenerator].
func (*relays) AllocateConn(pion.AllocateConnConfig) (net.Conn, error) { return nil, errTCP }

// AllocatePacketConn implements [pion.RelayAddressGenerator].
func (r *relays) AllocatePacketConn(c pion.AllocateListenerConfig) (net.PacketConn, net.Addr, error) {
	var public netip.Addr
	for _, address := range r.options.Public {
		if address.Is4() == (c.Network == "udp4") {
			public = address
		}
	}
	if !public.IsValid() {
		return nil, nil, errors.New("there is no public address of this family")
	}
	u, err := r.enter(c.UserID)
	if err != nil {
		return nil, nil, err
	}
	socket, err := r.listen(c.Network, c.RequestedPort)
	if err != nil {
		r.leave(c.UserID)
		return nil, nil, err
	}
	port := socket.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	relay := &relay{socket: socket, relays: r, login: c.UserID, user: u, address: netip.AddrPortFrom(public, port), pump: newPump(socket, &r.batches)}
	r.mu.Lock()
	r.made++
	r.open[relay.address] = relay
	r.mu.Unlock()
	return relay, net.UDPAddrFromAddrPort(relay.address), nil
}

// enter counts one more allocation of a login.
func (r *relays) enter(login string) (*user, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	u := r.byLogin[login]
	if r.options.Allocations > 0 && r.taken >= r.options.Allocations || u != nil && r.options.AllocationsPerLogin > 0 && u.allocations >= r.options.AllocationsPerLogin {
		r.refused++
		return nil, errFull
	}
	if u == nil {
		u = &user{rate: limiter(r.options.RatePerLogin)}
		r.byLogin[login] = u
	}
	u.allocations++
	r.taken++
	return u, nil
}

// leave counts one allocation less.
func (r *relays) leave(login string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken--
	u := r.byLogin[login]
	if u.allocations--; u.allocations == 0 {
		delete(r.byLogin, login)
	}
}

// listen opens a socket at the requested port, or at a random one of the range. Random ports are hard to guess for whoever wants to
// inject datagrams (RFC 8656, section 7.2).
func (r *relays) listen(network string, requested int) (*socket, error) {
	low, high := int(r.options.MinPort), int(r.options.MaxPort)
	var failed error
	for range attempts {
		port := low + rand.N(high-low+1)
		if requested != 0 {
			port = requested
		}
		if port < low || port > high {
			return nil, errors.New("the requested port is not in the range")
		}
		opened, err := net.ListenUDP(network, &net.UDPAddr{Port: port})
		if err == nil && r.reserve.Holds(files.Number(opened), 0) {
			_ = opened.Close()
			return nil, errFiles
		}
		if err == nil {
			return newSocket(opened)
		}
		if failed = err; requested != 0 {
			break
		}
	}
	return nil, failed
}

// relay is the socket of one allocation, as its peers see it.
type relay struct {
	*socket
	relays   *relays
	login    string
	user     *user
	address  netip.AddrPort // relayed transport address
	channels boundTo
	granted  granted // guarded by relays.mu
	pump     *pump
	closed   sync.Once
	relayed  relayed
}

// Close implements net.PacketConn.
func (r *relay) Close() error {
	err := net.ErrClosed
	r.closed.Do(func() {
		r.relays.mu.Lock()
		delete(r.relays.open, r.address)
		r.relays.forget(r)
		r.relays.ended.add(&r.relayed)
		r.relays.mu.Unlock()
		r.relays.leave(r.login)
		err = r.socket.Close()
	})
	return err
}

// loopback returns the address by which this machine reaches a port of its own.
func loopback(public netip.AddrPort) netip.AddrPort {
	if public.Addr().Is4() {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), public.Port())
	}
	return netip.AddrPortFrom(netip.IPv6Loopback(), public.Port())
}

// WriteTo implements net.PacketConn.
func (r *relay) WriteTo(b []byte, to net.Addr) (int, error) {
	udp, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, &net.OpError{Op: "write", Net: "udp", Addr: to, Err: errors.New("this is no address of UDP")}
	}
	peer, ok := r.reaches(unmapped(udp.AddrPort()), len(b))
	if !ok {
		return len(b), nil // as the network drops datagrams
	}
	return r.WriteToUDPAddrPort(b, peer)
}

// reaches returns the address to which this many bytes for a peer are sent. It reports false if the peer is not permitted, or if the rates do
// not allow so many bytes.
func (r *relay) reaches(peer netip.AddrPort, bytes int) (to netip.AddrPort, ok bool) {
	if r.relays.isPublic(peer.Addr()) && r.relays.at(peer) != nil {
		// The public address may be that of a router which does not send back what comes from inside.
		peer = loopback(peer)
	} else if !r.relays.peers.permits(peer.Addr()) {
		return netip.AddrPort{}, false
	}
	if !r.allows(bytes) {
		return netip.AddrPort{}, false
	}
	r.relayed.toPeers.Add(uint64(bytes))
	return peer, true
}

// ReadFrom implements net.PacketConn. It relays what comes from the peer of a channel, and hands on the rest.
func (r *relay) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		message, from, err := r.pump.read()
		if err != nil {
			return 0, nil, err
		}
		from = unmapped(from)
		if from.Addr().IsLoopback() {
			if public := netip.AddrPortFrom(r.address.Addr(), from.Port()); r.relays.at(public) != nil {
				from = public
			}
		}
		bytes := len(message) - channelHeader
		if !r.allows(bytes) {
			continue
		}
		r.relayed.toClients.Add(uint64(bytes))
		if r.toClient(message, from) {
			continue
		}
		r.pump.flush()
		return copy(b, message[channelHeader:]), net.UDPAddrFromAddrPort(from), nil
	}
}

// allows reports whether this many bytes may be relayed now.
func (r *relay) allows(bytes int) bool {
	now := time.Now()
	return (r.user.rate == nil || r.user.rate.AllowN(now, bytes)) && (r.relays.rate == nil || r.relays.rate.AllowN(now, bytes))
}
