package admin

import (
	"strconv"

	dto "github.com/prometheus/client_model/go"

	"p2p-messaging/messages"
)

const (
	counter = dto.MetricType_COUNTER
	gauge   = dto.MetricType_GAUGE
)

func metric(kind dto.MetricType, name, help string, value func(*figures) float64) *family {
	f := newFamily(kind, name, help, nil)
	only := f.value(nil)
	f.read = func(figures *figures) { *only = value(figures) }
	return f
}

func sessionMetrics() []*family {
	return []*family{
		metric(gauge, "p2p_ready", "1 while the service takes connections, 0 while it drains.",
			func(f *figures) float64 { return yes(f.ready) }),
		metric(gauge, "p2p_away_bytes", "Bytes that the messages occupy that wait for sessions without a connection.",
			func(f *figures) float64 { return float64(f.actors.AwayBytes) }),
		metric(gauge, "p2p_peerjs_sessions", "Sessions of PeerJS clients that have a connection. They are among p2p_sessions.",
			func(f *figures) float64 { return float64(f.actors.Peers) }),
		metric(gauge, "p2p_peerjs_reserved", "PeerJS ids that are reserved for clients without a connection.",
			func(f *figures) float64 { return float64(f.actors.PeersReserved) }),
		metric(gauge, "p2p_peerjs_awaited", "PeerJS ids that nobody has and for which messages wait.",
			func(f *figures) float64 { return float64(f.actors.PeersAwaited) }),
		metric(gauge, "p2p_peerjs_awaited_bytes", "Bytes that those messages occupy.",
			func(f *figures) float64 { return float64(f.actors.PeersAwaitedBytes) }),
		metric(counter, "p2p_peerjs_expired_total", "Times that a PeerJS client was told that nobody has come for what it has sent.",
			func(f *figures) float64 { return float64(f.actors.PeersExpired) }),
		metric(gauge, "p2p_mailboxes", "Mailboxes, one for each actor.",
			func(f *figures) float64 { return float64(f.actors.Mailboxes) }),
		metric(counter, "p2p_logins_accepted_total", "Logins that began a session.",
			func(f *figures) float64 { return float64(f.actors.LoginsAccepted) }),
		metric(counter, "p2p_sessions_ended_by_operator_total", "Sessions that the operator has ended.",
			func(f *figures) float64 { return float64(f.actors.Ended) }),
		metric(counter, "p2p_connections_opened_total", "WebSockets that were opened.",
			func(f *figures) float64 { return float64(f.transport.Opened) }),
	}
}

func relayMetrics() []*family {
	return []*family{
		metric(counter, "p2p_relays_total", "Messages that clients have sent to other clients, those included that were refused.",
			func(f *figures) float64 { return float64(f.transport.Relays) }),
		metric(counter, "p2p_relayed_bytes_total", "Bytes of the texts of those messages.",
			func(f *figures) float64 { return float64(f.transport.RelayedBytes) }),
		metric(counter, "p2p_received_bytes_total", "Bytes of WebSockets that were read.",
			func(f *figures) float64 { return float64(f.transport.ReceivedBytes) }),
	}
}

func turnMetrics() []*family {
	return []*family{
		metric(gauge, "p2p_turn_allocations", "TURN allocations that there are.",
			func(f *figures) float64 { return float64(f.turn.Allocations) }),
		metric(counter, "p2p_turn_allocations_made_total", "TURN allocations that were made.",
			func(f *figures) float64 { return float64(f.turn.Made) }),
		metric(counter, "p2p_turn_allocations_refused_total", "TURN allocations that were refused because there were too many.",
			func(f *figures) float64 { return float64(f.turn.Refused) }),
	}
}

func labeled(kind dto.MetricType, name, help string, labels []string, values func(f *figures, set func(value float64, labels ...string))) *family {
	f := newFamily(kind, name, help, labels)
	set := func(value float64, labels ...string) { *f.value(labels) = value }
	f.read = func(figures *figures) { values(figures, set) }
	return f
}

func labeledMetrics() []*family {
	return []*family{
		labeled(gauge, "p2p_sessions", "Sessions, by whether they have a connection.", []string{"state"},
			func(f *figures, set func(float64, ...string)) {
				set(float64(f.actors.Present), "present")
				set(float64(f.actors.Away), "away")
			}),
		labeled(gauge, "p2p_connections", "Connections, by state.", []string{"state"}, connectionStates),
		labeled(gauge, "p2p_websockets", "WebSockets, by what carries their bytes.", []string{"carrier", "tls"},
			func(f *figures, set func(float64, ...string)) {
				for carrier, n := range f.transport.Open {
					name := "goroutine"
					if carrier.Loop {
						name = "loop"
					}
					set(float64(n), name, label(carrier.TLS))
				}
			}),
		labeled(counter, "p2p_closes_total", "WebSockets that were closed: by the service with a code, by the client, or without a close frame.", []string{"by", "code"},
			func(f *figures, set func(float64, ...string)) {
				for code, n := range f.transport.Closes {
					set(float64(n), "service", strconv.Itoa(int(code)))
				}
				set(float64(f.transport.ClosedByClient), "client", "")
				set(float64(f.transport.Lost), "network", "")
			}),
		labeled(counter, "p2p_slow_consumers_total", "WebSockets that were closed because their clients read too slowly (close code 4000).", nil,
			func(f *figures, set func(float64, ...string)) {
				set(float64(f.transport.Closes[messages.CloseTooSlow]))
			}),
		labeled(counter, "p2p_handshakes_refused_total", "Connections and requests for a WebSocket that were refused, by reason.", []string{"reason"},
			func(f *figures, set func(float64, ...string)) {
				for reason, n := range f.transport.Refused {
					set(float64(n), reason)
				}
			}),
		labeled(counter, "p2p_logins_refused_total", "Logins that were refused, by code.", []string{"code"},
			func(f *figures, set func(float64, ...string)) {
				for code, n := range f.actors.LoginsRefused {
					set(float64(n), string(code))
				}
			}),
		labeled(counter, "p2p_messages_refused_total", "Messages of clients with a login that were refused, by code.", []string{"code"},
			func(f *figures, set func(float64, ...string)) {
				for code, n := range f.actors.RelaysRefused {
					set(float64(n), string(code))
				}
			}),
		labeled(counter, "p2p_resumes_total", "Logins that brought the secret of a session, by result: it was resumed, a new one began, or the login was refused.", []string{"result"},
			func(f *figures, set func(float64, ...string)) {
				set(float64(f.actors.Resumed), "resumed")
				set(float64(f.actors.Began), "began")
				set(float64(f.actors.ResumesRefused), "refused")
			}),
		labeled(counter, "p2p_panics_total", "Panics, by where. The service goes on after each: a session or a connection ends, and the registry goes on.", []string{"in"},
			func(f *figures, set func(float64, ...string)) {
				set(float64(f.actors.SessionFailures), "session")
				set(float64(f.actors.RegistryFailures), "registry")
				set(float64(f.actors.ConnectionFailures+f.transport.Failures), "connection")
			}),
		labeled(counter, "p2p_turn_relayed_bytes_total", "Bytes that the TURN server has relayed, by direction.", []string{"to"},
			func(f *figures, set func(float64, ...string)) {
				set(float64(f.turn.ToPeers), "peer")
				set(float64(f.turn.ToClients), "client")
			}),
	}
}

// connectionStates derives the states of all connections. A session that is present has a connection, which may be closing.
func connectionStates(f *figures, set func(float64, ...string)) {
	open := 0
	for _, n := range f.transport.Open {
		open += n
	}
	staying := open - f.transport.Closing
	loggedIn := min(f.actors.Present, staying)
	set(float64(f.transport.Handshaking), "handshaking")
	set(float64(f.transport.Visiting), "visiting")
	set(float64(staying-loggedIn), "without_login")
	set(float64(loggedIn), "logged_in")
	set(float64(f.transport.Closing), "closing")
}
