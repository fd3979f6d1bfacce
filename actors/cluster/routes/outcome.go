package routes

// Outcome says what became of a message.
type Outcome uint8

const (
	// Accepted means that the receiver has taken the message.
	Accepted Outcome = iota
	// Gone means that the receiver has answered that it does not have what the message is for.
	Gone
	// Refused means that the receiver has answered that it does not take the message now, because too much waits.
	Refused
	// NoNode means that no process with this address can be reached. The message was not received, and will not be.
	NoNode
	// Lost means that the message was sent and no answer came. It may have been received, or may still be.
	Lost
	// Overloaded means that the message was not sent, because [MaxWaiting] bytes wait for the address.
	Overloaded
	// Silent means that the message was not sent, because the process with the address has not answered for [Config.Timeout]. It may
	// be stopped or cut off.
	Silent
	// Closed means that the message was not sent, because [Routes.Close] was called or the message is too large.
	Closed
)

var outcomeNames = [...]string{"accepted", "gone", "refused", "no_node", "lost", "overloaded", "silent", "closed"}

// String returns the name of an outcome as metrics use it.
func (o Outcome) String() string { return outcomeNames[o] }

// Receipt learns the outcome of one message. Done may be called before Send returns, and from any goroutine. It must not block. It may
// call [Routes.Send].
type Receipt interface {
	Done(Outcome)
}

// ReceiptFunc makes a function a [Receipt].
type ReceiptFunc func(Outcome)

// Done implements [Receipt].
func (f ReceiptFunc) Done(o Outcome) { f(o) }

// Message is what [Routes.Post] sends. It waits for its outcome as it is, and is copied only when it is published. So it must not change
// until it has its outcome. The methods must not block.
type Message interface {
	// Size returns how many bytes Append appends.
	Size() int
	// Memory returns how many bytes the message occupies while it waits. It is called before Append.
	Memory() int
	// Append appends the content. It is called at most once for each call of Post, before Done and from any goroutine. It may
	// not call a method of [Routes].
	Append(data []byte) []byte
	Receipt
}

// copiedBytes is about what a copied occupies besides its body.
const copiedBytes = 64

// copied is the message of [Routes.Send].
type copied struct {
	body    []byte
	receipt Receipt // nil if nobody is told
}

func (c *copied) Size() int                 { return len(c.body) }
func (c *copied) Memory() int               { return cap(c.body) + copiedBytes }
func (c *copied) Append(data []byte) []byte { return append(data, c.body...) }

func (c *copied) Done(o Outcome) {
	if c.receipt != nil {
		c.receipt.Done(o)
	}
}
