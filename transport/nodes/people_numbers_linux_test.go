package nodes

import "testing"

func TestALoginCarriesANumber(t *testing.T) {
	for _, number := range []int{0, 1, 2, 3, 1000, 1<<len(letters) - 1} {
		written := spelled(loginOf(7), number)
		if login, n := numberIn(written); login != loginOf(7) || n != number {
			t.Errorf("%d was written %s, and read as %d for %s", number, written, n, login)
		}
	}
}
