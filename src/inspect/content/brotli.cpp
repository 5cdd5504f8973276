// SPDX-License-Identifier: Apache-2.0
// br (RFC 7932), without the "large window" extension: a window is 16 MiB at most.
#include "inspect/content/codec.h"

#include <brotli/decode.h>

namespace sluice::inspect {
namespace {

struct Destroy {
    void operator()(BrotliDecoderState* state) const { BrotliDecoderDestroyInstance(state); }
};

// Octets behind the end are corrupt: the format has no second member.
class BrotliCodec final : public Codec {
public:
    Step step(std::string_view& in, std::span<char> out) override {
        if (!state_) return {.fault = Reason::overloaded};
        if (has_ended_) return {.fault = in.empty() ? Reason::none : Reason::corrupt};
        is_fresh_ = is_fresh_ && in.empty();
        std::size_t in_left = in.size();
        std::size_t out_left = out.size();
        auto next_in = reinterpret_cast<const std::uint8_t*>(in.data());
        auto next_out = reinterpret_cast<std::uint8_t*>(out.data());
        const BrotliDecoderResult result = BrotliDecoderDecompressStream(state_.get(), &in_left, &next_in, &out_left, &next_out, nullptr);
        in.remove_prefix(in.size() - in_left);
        Step step{.written = out.size() - out_left};
        switch (result) {
            case BROTLI_DECODER_RESULT_ERROR: step.fault = reason(); break;
            case BROTLI_DECODER_RESULT_SUCCESS: has_ended_ = true; break;
            case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT:      // which it says even while it has more than `out` could take
            case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT: step.has_more = BrotliDecoderHasMoreOutput(state_.get()) != BROTLI_FALSE; break;
        }
        return step;
    }
    bool may_end() const override { return has_ended_ || is_fresh_; }

private:
    Reason reason() const {
        const BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(state_.get());
        const bool is_memory = code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES && code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
        return is_memory ? Reason::overloaded : Reason::corrupt;
    }

    std::unique_ptr<BrotliDecoderState, Destroy> state_{BrotliDecoderCreateInstance(nullptr, nullptr, nullptr)};
    bool is_fresh_ = true;
    bool has_ended_ = false;
};

}  // namespace

std::unique_ptr<Codec> make_brotli() { return std::make_unique<BrotliCodec>(); }

}  // namespace sluice::inspect
