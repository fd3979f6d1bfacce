package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/webrtc/v4"
)

// prober is a probe under way.
type prober struct {
	target  target
	token   string
	trust   *tls.Config
	timeout time.Duration // of a step
	show    func(Step)    // nil: nobody watches
	report  Report

	service netip.Addr // address of the service
	calls   int        // how many calls were begun
}

// step does one step, and reports whether it went well.
func (p *prober) step(ctx context.Context, way, name string, do func(context.Context) (detail string, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	began := time.Now()
	detail, err := do(ctx)
	s := Step{Way: way, Name: name, OK: err == nil, Milliseconds: milliseconds(time.Since(began)), Detail: detail}
	if err != nil {
		s.Error = printable(err.Error())
		s.Code, s.Cause = p.cause(err)
	}
	p.add(s)
	return err
}

// add tells a step.
func (p *prober) add(s Step) {
	s.Detail = printable(s.Detail)
	p.report.Steps = append(p.report.Steps, s)
	if p.show != nil {
		p.show(s)
	}
}

// run tries everything. The error is a *[ServiceError] if there is no service.
func (p *prober) run(ctx context.Context) error {
	var pair [2]*session
	for n := range pair {
		s, err := p.logIn(ctx, n)
		if err != nil {
			_, cause := p.cause(err)
			if cause == "" {
				cause = err.Error()
			}
			return &ServiceError{printable(fmt.Sprintf("no service to use at %s: %s", p.target, cause)), err}
		}
		defer s.close()
		pair[n] = s
	}
	urls := pair[0].urls()
	_ = p.step(ctx, "service", "ICE servers", func(context.Context) (string, error) { return offered(urls), nil })
	p.try(ctx, pair, way{name: "direct", only: webrtc.ICECandidateTypeHost}, nil)
	for _, u := range urls {
		if ctx.Err() != nil {
			return nil
		}
		p.server(ctx, pair, u)
	}
	return nil
}

// offered tells what the service offers, and which relays it does not.
func offered(urls []string) string {
	var kinds []string
	for _, text := range urls {
		if u, err := stun.ParseURI(text); err == nil {
			kinds = append(kinds, kindOf(u))
		}
	}
	detail := fmt.Sprintf("%d offered", len(urls))
	var missing []string
	for _, kind := range []string{"relay by UDP", "relay by TCP", "relay by TLS"} {
		if !slices.Contains(kinds, kind) {
			missing = append(missing, strings.TrimPrefix(kind, "relay by "))
		}
	}
	switch {
	case len(missing) == 3:
		detail += "; no relay: people whose networks let no direct connection through cannot talk (see --turn-public-ip)"
	case len(missing) > 0:
		detail += "; no relay by " + strings.Join(missing, " or ")
	}
	return detail
}

// server tries one STUN or TURN server.
func (p *prober) server(ctx context.Context, pair [2]*session, text string) {
	u, err := stun.ParseURI(text)
	if err != nil {
		_ = p.step(ctx, "relay", "ICE servers", func(context.Context) (string, error) {
			return text, fmt.Errorf("the service offers a URL that cannot be read: %w", err)
		})
		return
	}
	name := kindOf(u)
	if lacksIPv6(u.Host) {
		p.add(Step{Way: name, Name: "connect", OK: true, Detail: text + " is not tried: this machine has no IPv6"})
		return
	}
	if name == "STUN" {
		p.serverReflexive(ctx, pair, u)
		return
	}
	if u.Scheme == stun.SchemeTypeTURNS && u.Proto == stun.ProtoTypeUDP {
		p.add(Step{Way: name, Name: "allocate", OK: true, Detail: text + " is not tried: browsers do not use it"})
		return
	}
	if p.allocation(ctx, name, u, pair[0].credentials(text)) != nil {
		return
	}
	w := way{name: name, only: webrtc.ICECandidateTypeRelay, policy: webrtc.ICETransportPolicyRelay}
	reach := text
	if u.Scheme == stun.SchemeTypeTURNS {
		b, err := p.bridge(ctx, u)
		if err != nil {
			_ = p.step(ctx, name, "call", func(context.Context) (string, error) { return text, err })
			return
		}
		defer b.close()
		reach = b.url()
	}
	for n, s := range pair {
		c := s.credentials(text)
		w.servers[n] = []webrtc.ICEServer{{URLs: []string{reach}, Username: c.Username, Credential: c.Credential}}
	}
	p.try(ctx, pair, w, nil)
}

// lacksIPv6 reports whether host is an address of IPv6 and this machine has no way to any.
func lacksIPv6(host string) bool {
	address, err := netip.ParseAddr(host)
	if err != nil || !address.Is6() {
		return false
	}
	socket, err := net.Dial("udp6", netip.AddrPortFrom(address, 9).String()) // sends nothing
	if err != nil {
		return true
	}
	_ = socket.Close() // nothing was sent
	return false
}

// kindOf names the way by a server.
func kindOf(u *stun.URI) string {
	switch {
	case u.Scheme == stun.SchemeTypeSTUN || u.Scheme == stun.SchemeTypeSTUNS:
		return "STUN"
	case u.Scheme == stun.SchemeTypeTURNS && u.Proto == stun.ProtoTypeUDP:
		return "relay by DTLS"
	case u.Scheme == stun.SchemeTypeTURNS:
		return "relay by TLS"
	case u.Proto == stun.ProtoTypeTCP:
		return "relay by TCP"
	}
	return "relay by UDP"
}

// try makes a call and sends a message each way. Forgive, if it is set, decides whether a call that found no way is no failure,
// and says why.
func (p *prober) try(ctx context.Context, pair [2]*session, w way, forgive func() (detail string, forgiven bool)) {
	c, err := p.newCall(pair, w)
	if err != nil {
		_ = p.step(ctx, w.name, "call", func(context.Context) (string, error) { return "", err })
		return
	}
	defer c.end()
	connected := false
	_ = p.step(ctx, w.name, "call", func(ctx context.Context) (string, error) {
		err := c.setUp(ctx)
		connected = err == nil
		if err != nil && forgive != nil && errors.Is(err, errNoWay) {
			if detail, forgiven := forgive(); forgiven {
				return detail, nil
			}
		}
		return "", err
	})
	if connected {
		_ = p.step(ctx, w.name, "message", func(ctx context.Context) (string, error) { return "", c.converse(ctx) })
	}
}
