package head_test

import (
	"context"
	"fmt"

	"fx/head"
)

func Example() {
	// Six photos with two features each. The first feature separates the classes.
	values := []float32{-1, 0.2, -2, 0.1, -1.5, 0, 1, 0.1, 2, 0, 1.5, 0.3}
	data := head.Data{
		Row:    head.Matrix(values, 2),
		Photos: head.SingleViews([]int{0, 0, 0, 1, 1, 1}),
	}
	layout := head.Layout{Kind: head.Linear, Features: 2, Positions: 1, Classes: 2}
	options := head.Defaults()
	options.LR = 0.1

	result, err := head.Fit(context.Background(), layout, data, data, options, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("val accuracy", result.BestValAccuracy)

	predictor, err := head.NewPredictor(layout, result.Params)
	if err != nil {
		fmt.Println(err)
		return
	}
	probabilities, err := predictor.Probabilities([]float32{-3, 0})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("class", head.Top(probabilities, 1)[0].Class)
	// Output:
	// val accuracy 1
	// class 0
}
