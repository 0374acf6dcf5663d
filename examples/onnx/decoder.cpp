// The decoder of SEDTalker in C++: four frames of 20 ms a step, its states handed from step to step.
//   sedtalker models export --onnx models --frames 4
//   c++ -std=c++17 decoder.cpp -I ORT/include -L ORT/lib -lonnxruntime -o decoder
//   ./decoder models/decoder_4.onnx
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

constexpr size_t GIVEN = 5, STEPS = 2, SHAPES = 52;  // speech, posterior, intensity, style, valid; then the states

int main(int count, char** arguments) try {
  if (count != 2) {
    std::fprintf(stderr, "usage: decoder models/decoder_4.onnx\n");
    return 2;
  }
  Ort::Env environment;
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(1);  // the networks are too small to share among threads
  Ort::Session session(environment, std::filesystem::path(arguments[1]).c_str(), options);
  const std::vector<std::string> inputs = session.GetInputNames(), outputs = session.GetOutputNames();
  if (outputs.front() != "coefficients") throw std::runtime_error(std::string(arguments[1]) + " is not a decoder");
  std::vector<const char*> input_names, output_names;
  for (const auto& name : inputs) input_names.push_back(name.c_str());
  for (const auto& name : outputs) output_names.push_back(name.c_str());

  std::vector<Ort::Value> values;  // one stream; states begin as zeros
  Ort::AllocatorWithDefaultOptions allocator;
  for (size_t k = 0; k < inputs.size(); ++k) {
    auto shape = session.GetInputTypeInfo(k).GetTensorTypeAndShapeInfo().GetShape();
    shape[0] = 1;
    values.push_back(Ort::Value::CreateTensor<float>(allocator, shape.data(), shape.size()));
    const size_t count = values[k].GetTensorTypeAndShapeInfo().GetElementCount();
    float* data = values[k].GetTensorMutableData<float>();
    for (size_t i = 0; i < count; ++i)  // in place of what the encoders and the diarizer say of four frames
      data[i] = k < GIVEN ? 0.5f * std::sin(0.37 * (i + 1)) : 0.0f;
  }
  for (size_t step = 0; step < STEPS; ++step) {
    auto made = session.Run(Ort::RunOptions{nullptr}, input_names.data(), values.data(), values.size(),
                            output_names.data(), output_names.size());
    const float* coefficients = made[0].GetTensorData<float>();  // (4, 52) of ARKit's shapes, to be clamped to 0…1
    for (size_t k = 0; k < SHAPES; ++k) std::printf("%.6f%c", coefficients[k], k + 1 < SHAPES ? ' ' : '\n');
    for (size_t k = 1; k < made.size(); ++k) {  // next_NAME is NAME of the next step
      const auto place = std::find(inputs.begin(), inputs.end(), outputs[k].substr(5)) - inputs.begin();
      values[place] = std::move(made[k]);
    }
  }
} catch (const std::exception& error) {  // the file, or a model for another version of onnxruntime
  std::fprintf(stderr, "decoder: %s\n", error.what());
  return 1;
}
