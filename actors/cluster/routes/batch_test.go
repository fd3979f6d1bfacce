package routes

import (
	"bytes"
	"math"
	"slices"
	"testing"
)

func sampleBatch() []byte {
	a := answer{stream: 3, from: 10, through: 30, exceptions: []exception{{10, 1, Gone}, {15, 4, Lost}, {30, 1, Refused}}}
	return appendBody(appendBody(appendHead(nil, "n1-ABC", a, 7, 100), []byte("hello")), nil)
}

func TestABatchIsReadAsItWasWritten(t *testing.T) {
	b, err := parseBatch(sampleBatch(), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []exception{{10, 1, Gone}, {15, 4, Lost}, {30, 1, Refused}}
	if string(b.sender) != "n1-ABC" || b.stream != 7 || b.first != 100 || b.count != 2 || b.answer.stream != 3 || b.answer.from != 10 ||
		b.answer.through != 30 || !slices.Equal(b.answer.exceptions, want) {
		t.Errorf("the batch is %+v", b)
	}
	first, rest := nextBody(b.bodies)
	second, rest := nextBody(rest)
	if string(first) != "hello" || len(second) != 0 || len(rest) != 0 {
		t.Errorf("the bodies are %q, %q and %q", first, second, rest)
	}
}

func TestTheHeadFitsItsRoom(t *testing.T) {
	longest := Address(bytes.Repeat([]byte("a"), maxAddress))
	a := answer{stream: math.MaxUint64, from: math.MaxUint64, through: math.MaxUint64}
	if head := appendHead(nil, longest, a, math.MaxUint64, math.MaxUint64); len(head) > headRoom {
		t.Errorf("a head takes %d bytes, and the room has %d", len(head), headRoom)
	}
}

func TestABatchThatIsWrongIsRefused(t *testing.T) {
	good := sampleBatch()
	for length := range good {
		if b, err := parseBatch(good[:length], nil); err == nil && length < len(good)-7 {
			t.Errorf("the first %d bytes were read as %+v", length, b)
		}
	}
	head := func(a answer, stream, first uint64) []byte { return appendHead(nil, "n1-ABC", a, stream, first) }
	for name, data := range map[string][]byte{
		"a later version":                   append([]byte{version + 1}, good[1:]...),
		"version 0":                         append([]byte{0}, good[1:]...),
		"messages without a stream":         appendBody(head(answer{}, 0, 0), []byte("x")),
		"a stream without a first":          head(answer{}, 1, 0),
		"a first without a stream":          head(answer{}, 0, 1),
		"an answer that runs backwards":     head(answer{stream: 1, from: 5, through: 3}, 0, 0),
		"an answer from 0":                  head(answer{stream: 1}, 0, 0),
		"an exception after the answer":     head(answer{stream: 1, from: 1, through: 3, exceptions: []exception{{3, 2, Gone}}}, 0, 0),
		"an exception about nothing":        head(answer{stream: 1, from: 1, through: 3, exceptions: []exception{{1, 0, Gone}}}, 0, 0),
		"an exception that is none":         head(answer{stream: 1, from: 1, through: 3, exceptions: []exception{{1, 1, Accepted}}}, 0, 0),
		"an outcome that no receiver gives": head(answer{stream: 1, from: 1, through: 3, exceptions: []exception{{1, 1, Overloaded}}}, 0, 0),
		"a number that is too large":        head(answer{stream: maxNumber + 1, from: 1}, 0, 0),
		"a body that is cut off":            append(head(answer{}, 1, 1), 5, 'x'),
		"nothing":                           nil,
	} {
		if b, err := parseBatch(data, nil); err == nil {
			t.Errorf("%s was read as %+v", name, b)
		}
	}
}

func FuzzParseBatch(f *testing.F) {
	f.Add(sampleBatch())
	f.Add(appendHead(nil, "n1-ABC", answer{}, 1, 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := parseBatch(data, nil)
		if err != nil {
			return
		}
		again := appendHead(nil, Address(b.sender), b.answer, b.stream, b.first)
		rest := b.bodies
		for range b.count {
			var body []byte
			body, rest = nextBody(rest)
			again = appendBody(again, body)
		}
		c, err := parseBatch(again, nil)
		if err != nil || len(rest) != 0 || c.count != b.count || c.stream != b.stream || c.first != b.first || !slices.Equal(c.answer.exceptions, b.answer.exceptions) {
			t.Errorf("%+v was written as %+v: %v", b, c, err)
		}
		Address(b.sender).valid()
	})
}

// FuzzReceive gives a node what another node with the secret may send.
func FuzzReceive(f *testing.F) {
	f.Add(sampleBatch(), uint64(20))
	f.Add(appendHead(nil, "n1-ABC", answer{}, 1, 1), uint64(0))
	f.Add(appendHead(nil, "n1-ABC", answer{stream: 1, from: 1, through: 5}, 0, 0), uint64(5))
	f.Fuzz(func(t *testing.T, data []byte, sent uint64) {
		n := newNetwork()
		defer n.close()
		r := n.join(Config{Node: "a", Receive: func(Address, []byte) Outcome { return Accepted }})
		told := 0
		p := r.peer("n1-ABC")
		p.publishing = true // nothing goes out
		for range sent % 100 {
			p.post(&copied{[]byte("x"), ReceiptFunc(func(Outcome) { told++ })})
		}
		for range sent % 7 {
			p.nextBatch()
		}
		if b, err := parseBatch(data, nil); err == nil {
			p.receive(b)
		}
		p.abandon()
		if told != int(sent%100) {
			t.Errorf("%d of %d outcomes were told", told, sent%100)
		}
	})
}
