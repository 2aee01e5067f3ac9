// Package metrics says how a training went, epoch by epoch, and how well a classifier does
// on photos of known class. Every room means the same by these types:
//
//	e := metrics.New([][]int{{65, 5}, {3, 80}}, 0.21) // counts of [true class][predicted class], loss
//	fmt.Println(e.Accuracy, e.Classes[0].Recall)
package metrics
