// Package lockfile keeps and obeys lock.json, which names what a command took
// from the network or found on the machine by its SHA-256, so that another
// machine, or a later day, gets the same or none.
//
//	lock := lockfile.At("lock.json")
//	if err := lock.Check(input); err != nil { // before input counts
//		return err
//	}
//	err := lock.Hold(ctx, input) // checks again, and adds what is not named yet
//
// A file that is not there is made by the first Hold. Any number of processes
// may hold inputs to one file at once: none of their entries is lost. What a
// user names by hand, such as `--weights FILE`, belongs into no lock.
package lockfile
