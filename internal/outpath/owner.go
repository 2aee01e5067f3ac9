package outpath

// Owner names what dir is, where commands made it of parts that belong together and
// that no other command replaces one by one, or "". The error is the system's.
func Owner(dir string) (string, error) {
	for _, f := range []*Folder{Experiment, Quickstart} {
		if is, err := f.In(dir); is || err != nil {
			return f.what, err
		}
	}
	return "", nil
}
