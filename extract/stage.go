package extract

import (
	"context"

	"fx/backbones"
	"fx/internal/ort"
)

// Stage is the memory of one batch: its pixels, and on a GPU its features. It holds one batch at a time. Stages of the
// same embedder may embed concurrently.
type Stage interface {
	// Pixels returns the memory to decode a batch to, uint8 [BatchSize, crop, crop, 3]. Goroutines may write to
	// different views concurrently.
	Pixels() []uint8
	// Embed runs the network on Pixels and writes features, float32 [BatchSize, FeatureLen].
	Embed(ctx context.Context, features []float32) error
	// Close frees the memory. Pixels must not be used any more.
	Close()
}

// hostStage is the stage of a network on the CPU.
type hostStage struct {
	embedder *Embedder
	pixels   []uint8
}

func (e *Embedder) newHostStage() Stage {
	return &hostStage{embedder: e, pixels: make([]uint8, e.batch*viewLen(e.Preprocess()))}
}

func (s *hostStage) Pixels() []uint8 { return s.pixels }

func (s *hostStage) Embed(ctx context.Context, features []float32) error {
	return s.embedder.session.Run(ctx,
		[]ort.Tensor{ort.NewTensor(s.pixels, s.embedder.pixelShape()...)},
		[]ort.Tensor{ort.NewTensor(features, s.embedder.featureShape()...)})
}

func (s *hostStage) Close() {}

// deviceStage is the stage of a network on a GPU. It has pixels and features twice: in page-locked memory of the host,
// and on the device at fixed addresses. A batch is copied at the full speed of the bus, on a stream of its own, while
// another is computed. The network's run only uses the device's memory, so it can be a CUDA graph.
type deviceStage struct {
	session               *ort.Session
	binding               *ort.Binding
	hostPixels, devPixels *ort.Value // uint8 [batch, crop, crop, 3]
	hostOutput, devOutput *ort.Value // float32 [batch, FeatureShape...]
}

func (e *Embedder) newDeviceStage() (Stage, error) {
	s := &deviceStage{session: e.session}
	if err := s.open(e.pixelShape(), e.featureShape()); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *deviceStage) open(pixels, features []int64) (err error) {
	for _, v := range []struct {
		to    **ort.Value
		make  func(ort.DType, ...int64) (*ort.Value, error)
		dtype ort.DType
		shape []int64
	}{
		{&s.hostPixels, s.session.NewHostValue, ort.Uint8T, pixels},
		{&s.devPixels, s.session.NewValue, ort.Uint8T, pixels},
		{&s.hostOutput, s.session.NewHostValue, ort.Float32T, features},
		{&s.devOutput, s.session.NewValue, ort.Float32T, features},
	} {
		if *v.to, err = v.make(v.dtype, v.shape...); err != nil {
			return err
		}
	}
	if s.binding, err = s.session.NewBinding(); err != nil {
		return err
	}
	if err := s.binding.Input(backbones.ImagesName, s.devPixels); err != nil {
		return err
	}
	return s.binding.Output(backbones.FeaturesName, s.devOutput)
}

func (s *deviceStage) Pixels() []uint8 { return ort.Data[uint8](s.hostPixels.Tensor()) }

func (s *deviceStage) Embed(ctx context.Context, features []float32) error {
	if err := s.session.Copy(ctx, ort.Transfer{To: s.devPixels, From: s.hostPixels}); err != nil {
		return err
	}
	if err := s.binding.Run(ctx); err != nil {
		return err
	}
	if err := s.session.Copy(ctx, ort.Transfer{To: s.hostOutput, From: s.devOutput}); err != nil {
		return err
	}
	copy(features, ort.Data[float32](s.hostOutput.Tensor()))
	return nil
}

func (s *deviceStage) Close() {
	if s.binding != nil {
		s.binding.Close()
	}
	for _, v := range []*ort.Value{s.hostPixels, s.devPixels, s.hostOutput, s.devOutput} {
		if v != nil {
			v.Close()
		}
	}
}
