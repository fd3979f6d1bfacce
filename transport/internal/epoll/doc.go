// Package epoll reads and writes many sockets on one goroutine without a goroutine for each. It knows bytes and
// nothing of what they mean.
//
// # How a loop waits, and why
//
// A [Loop] has an epoll instance, its [Poller]. While there is something to do, its goroutine goes round: it asks epoll, without
// waiting, which sockets are ready; reads each and gives its [Handler] what came; and then runs the tasks posted
// meanwhile, which is when handlers write what one round has brought together.
//
// When epoll has nothing, the loop must wait, and how it does decides what a service costs while load is light. A
// blocking epoll_wait takes the goroutine's thread out of the scheduler, which then needs another one; and any ordinary
// system call that is made after the process was idle wakes the runtime's monitor thread, which goes on to look at
// the process 50,000 times a second: both cost more than the message that came. So:
//
//   - the loop waits in the runtime's own poller, like a goroutine that reads a socket: the epoll instance is itself a
//     file that is readable when one of its sockets is ready (epoll(7)), and [syscall.RawConn.Read] calls the rounds
//     again when it becomes so;
//   - the system calls of the rounds are raw ones, of which the scheduler is not told. It needs to be told only of calls
//     that may block, and none of these can: the descriptors do not, and epoll is asked not to.
//
// The runtime's poller tells of what became ready after it was asked (it is edge-triggered). So the rounds end only when
// epoll has been seen to have nothing. The sockets are edge-triggered too, which spares the kernel a second look at each
// of them: a socket that may have more than was read is read again in the next round, and watching it anew tells what is
// there already.
//
// The load tool's clients wait in the same way, on pollers of their own.
//
// Because the scheduler knows nothing of the rounds' system calls, the loop gives way to other goroutines now and then
// by itself.
package epoll

import (
	"errors"
	"time"
)

// Handler is what a socket belongs to. Its methods are called on the socket's loop. None may block: all other sockets
// would wait.
type Handler interface {
	// Receive is given what came, and when the round began that found it. b is the loop's: the handler may change it until
	// it returns, and not keep it.
	Receive(b []byte, at time.Time)
	// Ended tells that nothing more comes: err is io.EOF where the other side has said so, and otherwise why the
	// connection failed. The handler closes the socket, or stops watching what it reads; it may be told again.
	Ended(err error)
	// Writable tells that there is room, after Watch asked for it.
	Writable()
}

// Task is something to do on a loop.
type Task interface {
	// Run must not block: all sockets would wait.
	Run()
}

// ErrFull says that a socket takes no more bytes at the moment: [Socket.Watch] tells when it does.
var ErrFull = errors.New("the socket takes no more at the moment")
