package messages

import "p2p-messaging/messages/internal/jsontext"

// tooLarge is the smallest number that overflows a double: 2^1024 - 2^970. It
// lies half-way between the largest double and 2^1024. Rounding it to the
// nearest double gives infinity (IEEE 754). It has 309 digits.
const tooLarge = "1797693134862315807937289714053034150799341327100378269361737789804449682927647509466490179775872070963" +
	"3028641669288791094655554785194040263065748867150582068190890200070838367627385484581771153176447573027" +
	"0069855571366959622842914819860834936475292719074168444365510704342711559699508093042880177904174497792"

// number scans a number (RFC 8259, section 6). It refuses a number that
// overflows a double (RFC 7493, section 2.2), as encoding/json does. It accepts
// a number that a double holds only inexactly.
func (s *scanner) number(i int) int {
	start := i
	if jsontext.At(s.text, i) == '-' {
		i++
	}
	whole := i
	if i = s.digits(i); i == whole || s.text[whole] == '0' && i > whole+1 {
		return s.fail(reasonNumber, i)
	}
	wholeEnd, fraction, fractionEnd := i, i, i
	if jsontext.At(s.text, i) == '.' {
		fraction = i + 1
		if i = s.digits(fraction); i == fraction {
			return s.fail(reasonNumber, i)
		}
		fractionEnd = i
	}
	exponent := 0
	if jsontext.At(s.text, i)|0x20 == 'e' {
		i++
		negative := jsontext.At(s.text, i) == '-'
		if negative || jsontext.At(s.text, i) == '+' {
			i++
		}
		digits := i
		if i = s.digits(digits); i == digits {
			return s.fail(reasonNumber, i)
		}
		for _, c := range s.text[digits:i] {
			// No mantissa in a message is long enough to make up for an exponent at this bound.
			exponent = min(exponent*10+int(c-'0'), 10*MaxMessageBytes)
		}
		if negative {
			exponent = -exponent
		}
	} else if wholeEnd-whole < len(tooLarge) {
		return i
	}
	if overflows(s.text[whole:wholeEnd], s.text[fraction:fractionEnd], exponent) {
		return s.fail(reasonNumberRange, start)
	}
	return i
}

// digits skips digits.
func (s *scanner) digits(i int) int {
	for i < len(s.text) && s.text[i]-'0' <= 9 {
		i++
	}
	return i
}

// overflows reports whether whole.fraction × 10^exponent is at least tooLarge.
func overflows(whole, fraction []byte, exponent int) bool {
	digit := func(i int) byte {
		switch {
		case i < len(whole):
			return whole[i]
		case i < len(whole)+len(fraction):
			return fraction[i-len(whole)]
		}
		return '0'
	}
	first := 0
	for digit(first) == '0' {
		if first++; first >= len(whole)+len(fraction) {
			return false
		}
	}
	if before := len(whole) - first + exponent; before != len(tooLarge) {
		return before > len(tooLarge)
	}
	for i := range len(tooLarge) {
		if d := digit(first + i); d != tooLarge[i] {
			return d > tooLarge[i]
		}
	}
	return true
}
