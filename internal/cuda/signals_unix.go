//go:build !windows

package cuda

/*
#include <signal.h>
#include <string.h>

#ifndef NSIG
#define NSIG 65
#endif

typedef struct { struct sigaction action[NSIG]; int known[NSIG]; } fx_signals;

static void *handler_of(const struct sigaction *a) {
  return (a->sa_flags & SA_SIGINFO) ? (void *)a->sa_sigaction : (void *)a->sa_handler;
}

static void fx_signals_save(fx_signals *saved) {
  for (int s = 1; s < NSIG; s++) saved->known[s] = sigaction(s, NULL, &saved->action[s]) == 0;
}

// fx_signals_restore restores every handler that was replaced since the save, except handlers of Go, which may have
// been installed meanwhile (signal.Notify in another goroutine): Go uses one handler for all signals.
static void fx_signals_restore(const fx_signals *saved) {
  void *go_handler = handler_of(&saved->action[SIGURG]);
  for (int s = 1; s < NSIG; s++) {
    struct sigaction now;
    if (!saved->known[s] || sigaction(s, NULL, &now) != 0) continue;
    int same = handler_of(&now) == handler_of(&saved->action[s]) &&
               (now.sa_flags & SA_ONSTACK) == (saved->action[s].sa_flags & SA_ONSTACK);
    if (same || (handler_of(&now) == go_handler && (now.sa_flags & SA_ONSTACK))) continue;
    sigaction(s, &saved->action[s], NULL);
  }
}
*/
import "C"

import "sync"

var signals sync.Mutex

// KeepSignals runs f and restores the signal handlers that C code replaced meanwhile. NVIDIA's libraries install
// handlers without SA_ONSTACK when they start; Go then dies at the next Ctrl+C with "non-Go code set up signal handler
// without SA_ONSTACK flag" (onnxruntime_go, issue 140).
func KeepSignals(f func()) {
	signals.Lock()
	defer signals.Unlock()
	var saved C.fx_signals
	C.fx_signals_save(&saved)
	f()
	C.fx_signals_restore(&saved)
}
