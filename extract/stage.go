package extract

import (
	"context"

	"fx/backbones"
	"fx/internal/ort"
)

// Stage is the memory of one batch on its way through an Embedder. It is for one
// batch at a time; stages of one embedder may embed at the same time.
type Stage interface {
	// Pixels is where a batch is decoded to, uint8 [BatchSize, crop, crop, 3].
	// Goroutines may write to different views at once.
	Pixels() []uint8
	// Embed runs the network on Pixels and fills features, float32
	// [BatchSize, FeatureLen].
	Embed(ctx context.Context, features []float32) error
	Close()
}

// hostStage is a stage of a network that reads the host's memory.
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

// deviceStage is a stage of a GPU. Its pixels and features lie twice: in
// page-locked memory of the host, and on the device at fixed addresses. So a batch
// is copied at the full speed of the bus, on a stream of its own while another is
// computed, and the network's run is one CUDA graph that reads and writes the
// device alone.
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
