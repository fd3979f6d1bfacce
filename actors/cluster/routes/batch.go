package routes

import (
	"encoding/binary"
	"errors"
)

// A batch is the content of one NATS message from one process to another. It carries messages, or says what became of messages
// in the other direction, or both. Numbers are unsigned varints (package encoding/binary), and "length x" is a number and as many bytes.
//
//	version (1 byte) · length sender's address
//	answer:    stream · from · through · number of exceptions · each: number of messages skipped · number of messages · outcome (1 byte)
//	messages:  stream · number of the first · each, to the end: length body
//
// The messages from one process to another form a stream and are numbered from 1. If messages were lost, the stream ends
// and the next one begins, whose number is larger. The receiver says once for each message how far it has come: the messages numbered
// from to through were accepted, except those that the exceptions name. A stream of 0 means that there is no answer, or that there are no messages.
//
// A batch that names a stream without messages asks for an answer now. It says with the number of the first what would be next.
const version = 1

// The outcomes that an exception may have are below exceptionLimit.
const exceptionLimit = Overloaded

type batch struct {
	sender []byte
	answer answer
	stream uint64
	first  uint64
	bodies []byte // each as a length and as many bytes
	count  uint64
}

// answer says what became of the messages of a stream.
type answer struct {
	stream        uint64
	from, through uint64 // from is through+1 if it says nothing of any message
	exceptions    []exception
}

// exception says what became of consecutive messages that were not accepted.
type exception struct {
	first, count uint64
	outcome      Outcome
}

var errBatch = errors.New("a batch of another node cannot be read")

// maxNumber bounds every number in a batch, so that sums of some of them do not overflow.
const maxNumber = 1 << 56

// parseBatch reads a batch. The result aliases data. Exceptions are appended to room[:0].
func parseBatch(data []byte, room []exception) (b batch, err error) {
	p := parser{data: data}
	if p.byte() != version {
		return batch{}, errBatch
	}
	b.sender = p.bytes()
	a := &b.answer
	a.stream, a.from, a.through = p.number(), p.number(), p.number()
	a.exceptions = room[:0]
	next := a.from
	for range p.number() {
		e := exception{first: next + p.number(), count: p.number(), outcome: Outcome(p.byte())}
		next = e.first + e.count
		if p.failed || e.count == 0 || next > a.through+1 || e.outcome == Accepted || e.outcome >= exceptionLimit {
			return batch{}, errBatch
		}
		a.exceptions = append(a.exceptions, e)
	}
	b.stream, b.first = p.number(), p.number()
	b.bodies = p.data
	for len(p.data) > 0 && !p.failed {
		p.bytes()
		b.count++
	}
	if p.failed || a.from > a.through+1 || (a.stream == 0) != (a.from == 0) || (b.stream == 0) != (b.first == 0) || b.count > 0 && b.stream == 0 {
		return batch{}, errBatch
	}
	return b, nil
}

// appendHead appends what stands before the bodies.
func appendHead(data []byte, sender Address, a answer, stream, first uint64) []byte {
	data = append(data, version)
	data = binary.AppendUvarint(data, uint64(len(sender)))
	data = append(data, sender...)
	data = binary.AppendUvarint(data, a.stream)
	data = binary.AppendUvarint(data, a.from)
	data = binary.AppendUvarint(data, a.through)
	data = binary.AppendUvarint(data, uint64(len(a.exceptions)))
	next := a.from
	for _, e := range a.exceptions {
		data = binary.AppendUvarint(data, e.first-next)
		data = binary.AppendUvarint(data, e.count)
		data = append(data, byte(e.outcome))
		next = e.first + e.count
	}
	data = binary.AppendUvarint(data, stream)
	return binary.AppendUvarint(data, first)
}

// headRoom is the largest size of a head without exceptions.
const headRoom = 1 + 1 + maxAddress + 5*binary.MaxVarintLen64 + 1

// appendBody appends one message.
func appendBody(data, body []byte) []byte {
	return append(binary.AppendUvarint(data, uint64(len(body))), body...)
}

// nextBody takes the first of the bodies of a batch that was parsed.
func nextBody(bodies []byte) (body, rest []byte) {
	length, n := binary.Uvarint(bodies)
	end := n + int(length)
	return bodies[n:end:end], bodies[end:]
}

// parser takes values from the front of data. After the first value that is not there it has failed and takes nothing more.
type parser struct {
	data   []byte
	failed bool
}

func (p *parser) byte() byte {
	if len(p.data) == 0 {
		p.failed = true
		return 0
	}
	b := p.data[0]
	p.data = p.data[1:]
	return b
}

func (p *parser) number() uint64 {
	v, n := binary.Uvarint(p.data)
	if n <= 0 || v > maxNumber {
		p.failed, p.data = true, nil
		return 0
	}
	p.data = p.data[n:]
	return v
}

func (p *parser) bytes() []byte {
	length := p.number()
	if length > uint64(len(p.data)) {
		p.failed, p.data = true, nil
		return nil
	}
	b := p.data[:length]
	p.data = p.data[length:]
	return b
}
