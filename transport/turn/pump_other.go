//go:build !linux

package turn

import (
	"net"
	"net/netip"
)

// socket is a UDP socket of the server.
type socket struct{ *net.UDPConn }

// newSocket takes c over.
func newSocket(c *net.UDPConn) (*socket, error) { return &socket{c}, nil }

// batches is memory for datagrams. Here a pump has its own.
type batches struct{}

// pump reads the datagrams that come to a socket, and sends them on through others. Its methods are called by one goroutine.
type pump struct {
	from   *socket
	buffer [channelHeader + maxDatagram + 1]byte
}

func newPump(from *socket, _ *batches) *pump { return &pump{from: from} }

// read returns the next datagram, behind channelHeader bytes that are free for use, and its sender. It is valid until the next read.
func (p *pump) read() (message []byte, from netip.AddrPort, err error) {
	for {
		n, from, err := p.from.ReadFromUDPAddrPort(p.buffer[channelHeader:])
		if err != nil || n <= maxDatagram { // half a datagram is of no use
			return p.buffer[:channelHeader+n], from, err
		}
	}
}

// send sends a part of the datagram that was read last. As on the network, nobody is told of one that is lost.
func (p *pump) send(data []byte, by *socket, to netip.AddrPort) {
	_, _ = by.WriteToUDPAddrPort(data, to)
}

// flush does nothing, because nothing waits.
func (p *pump) flush() {}
