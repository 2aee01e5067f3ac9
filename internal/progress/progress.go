package progress

// Reporter receives the stages of a long job.
type Reporter interface {
	// Begin starts a stage, such as "extract". Total is the number of units, or 0 if it is unknown; unit is a plural
	// such as "images" or "bytes". Stages may overlap.
	Begin(stage string, total int64, unit string) Task
	// Note shows the user a line once, such as a fallback that was used.
	Note(line string)
}

// Task is one running stage. Its methods are safe for concurrent use.
type Task interface {
	// Add counts n further units as done.
	Add(n int64)
	// End closes the stage, whether or not all units were done.
	End()
}

// Discard ignores everything.
var Discard Reporter = discard{}

type discard struct{}

func (discard) Begin(string, int64, string) Task { return discard{} }
func (discard) Note(string)                      {}
func (discard) Add(int64)                        {}
func (discard) End()                             {}
