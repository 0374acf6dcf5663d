// The decoder of SEDTalker in C#: four frames of 20 ms a step, its states handed from step to step.
//   sedtalker models export --onnx models --frames 4
//   with the package Microsoft.ML.OnnxRuntime: Decoder models/decoder_4.onnx
using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

static class Decoder
{
    const int Given = 5, Steps = 2, Shapes = 52;  // speech, posterior, intensity, style, valid; then the states

    static int Main(string[] arguments)
    {
        if (arguments.Length != 1)
        {
            Console.Error.WriteLine("usage: Decoder models/decoder_4.onnx");
            return 2;
        }
        try
        {
            Run(arguments[0]);
        }
        catch (Exception error)  // the file, or a model for another version of onnxruntime
        {
            Console.Error.WriteLine("Decoder: " + error.Message);
            return 1;
        }
        return 0;
    }

    static void Run(string graph)
    {
        var options = new SessionOptions { IntraOpNumThreads = 1 };  // the networks are too small to share among threads
        using (var session = new InferenceSession(graph, options))
        {
            if (!session.OutputMetadata.ContainsKey("coefficients")) throw new ArgumentException(graph + " is not a decoder");
            var values = new Dictionary<string, Tensor<float>>();  // one stream; states begin as zeros
            foreach (var input in session.InputMetadata)
            {
                var tensor = new DenseTensor<float>(input.Value.Dimensions.Select(size => Math.Max(size, 1)).ToArray());
                if (values.Count < Given)  // in place of what the encoders and the diarizer say of four frames
                    for (int i = 0; i < tensor.Length; i++) tensor.SetValue(i, 0.5f * (float)Math.Sin(0.37 * (i + 1)));
                values[input.Key] = tensor;
            }
            for (int step = 0; step < Steps; step++)
            {
                var inputs = values.Select(value => NamedOnnxValue.CreateFromTensor(value.Key, value.Value)).ToList();
                using (var made = session.Run(inputs))
                {
                    var coefficients = made.First().AsEnumerable<float>();  // (4, 52) of ARKit's shapes, to be clamped to 0…1
                    var row = coefficients.Take(Shapes).Select(value => value.ToString("F6", CultureInfo.InvariantCulture));
                    Console.WriteLine(string.Join(" ", row));
                    foreach (var state in made.Skip(1))  // next_NAME is NAME of the next step
                        values[state.Name.Substring("next_".Length)] = state.AsTensor<float>().ToDenseTensor();
                }
            }
        }
    }
}
