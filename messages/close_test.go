package messages

import "testing"

func TestTheCloseCodeTellsWhetherToComeBack(t *testing.T) {
	for code, want := range map[CloseCode]bool{
		CloseNormal: false, CloseGoingAway: true, CloseProtocolError: false, CloseUnsupportedData: false, CloseInvalidPayload: false,
		ClosePolicyViolation: false, CloseMessageTooBig: false, CloseInternalError: true, CloseServiceRestart: true,
		CloseTryAgainLater: true, CloseTooSlow: true, CloseNoSignOfLife: true, CloseTakenOver: false,
		CloseNoStatus: true, closeAbnormal: true,
		0: false, 1004: false, 1010: false, 1014: false, 1015: false, 3000: false, 4099: true, 4199: false, 4200: false, 65535: false,
	} {
		if got := code.Retry(); got != want {
			t.Errorf("CloseCode(%d).Retry() = %t, want %t", code, got, want)
		}
	}
}
