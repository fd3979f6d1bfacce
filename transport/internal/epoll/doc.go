// Package epoll reads and writes many sockets on one goroutine, without a goroutine for each socket. It handles bytes and
// knows nothing about their meaning.
//
// # How a loop waits, and why
//
// A [Loop] has an epoll instance, its [Poller]. While there is work, the goroutine of the loop runs in rounds. In each round
// it asks epoll, without waiting, which sockets are ready. It reads each of them and gives the bytes to the [Handler] of the
// socket. Then it runs the tasks that were posted meanwhile. Handlers use tasks to write together everything that one round
// has produced.
//
// When epoll reports nothing, the loop must wait. The way it waits decides the cost of a service under light load. A
// blocking epoll_wait takes the goroutine's thread away from the scheduler, which then needs another thread. Also, any
// ordinary system call after the process was idle wakes the runtime's monitor thread. That thread then checks the process
// 50,000 times a second. Both cost more than handling the message that came. Therefore:
//
//   - The loop waits in the runtime's own poller, like a goroutine that reads a socket. The epoll instance is itself a file.
//     The file is readable when one of its sockets is ready (epoll(7)). [syscall.RawConn.Read] then runs the rounds again.
//   - The rounds use raw system calls, which do not inform the scheduler. The scheduler needs to know only about calls that
//     may block. These cannot block: the descriptors are non-blocking, and the call to epoll has a timeout of zero.
//
// The runtime's poller is edge-triggered: it reports only what becomes ready after it was asked. So the rounds end only
// after epoll has reported nothing. The sockets are edge-triggered too, which saves the kernel a second check of each
// socket. If a socket may have more bytes than were read, the next round reads it again. A change of what is watched makes
// epoll report what is ready already.
//
// A [Listener] accepts connections in the same way, because a service with many clients that come and go would otherwise wake
// the monitor thread with each of them.
//
// The scheduler does not see the system calls of the rounds. So the loop itself yields to other goroutines from time to time.
//
// The clients of the load tool wait in the same way, on their own pollers.
package epoll

import (
	"errors"
	"time"
)

// Handler handles the events of one socket. The socket's loop calls its methods. They must not block, because all other
// sockets of the loop would wait.
type Handler interface {
	// Receive is called with bytes that have arrived, and with the time of the round that read them. b belongs to the loop.
	// The handler may change b during the call, and must not keep it.
	Receive(b []byte, at time.Time)
	// Ended is called when nothing more will arrive. err is io.EOF if the other side has ended its direction, and everything
	// was read. It is [ErrUnread] if the other side has ended its direction while nobody watched for reads: bytes may wait
	// then. Otherwise it says why the connection failed. The handler closes the socket, or stops watching for reads. Ended may
	// be called again.
	Ended(err error)
	// Writable is called when the socket has room for more bytes and [Socket.Watch] has asked for that.
	Writable()
}

// Task is a piece of work for a loop.
type Task interface {
	// Run does the work. It must not block, because all sockets of the loop would wait.
	Run()
}

// ErrUnread says that the other side has ended its direction, and that bytes may wait to be read.
var ErrUnread = errors.New("the other side has ended its direction, and bytes may wait to be read")

// ErrFull says that a socket takes no more bytes at the moment. [Socket.Watch] can ask to be told when it has room.
var ErrFull = errors.New("the socket takes no more at the moment")
