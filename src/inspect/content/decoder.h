// SPDX-License-Identifier: Apache-2.0
// A payload's content codings undone, so that engines see what a client will see. Streaming: memory is the codings' own windows (16 MiB at
// most for br, 8 for zstd, 32 KiB for the others) and the caller's scratch, whatever passes. Time is linear in octets in and octets out.
//
// The outcome, a Reason:
//   none         so far, so good; of finish(): it ended where it should
//   corrupt      not what the coding's format allows, octets behind its end included
//   undecodable  a zstd window beyond 8 MiB, or a dictionary that we do not have
//   bomb         more than Limits::decoded_ratio, of any layer, inner ones included
//   too_large    more than max_size
//   too_deep     more codings than Limits::decoded_layers
//   truncated    it ended too early; of finish() alone
//   overloaded   no memory
// The first fault is final: nothing is decoded after it. Where the octets are cut makes no difference to the outcome of a sound payload or
// a bomb, nor to the octets given; of what is corrupt the last octets before the fault may be missing.
#pragma once

#include "base/limits.h"
#include "inspect/content/coding.h"
#include "inspect/verdict.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace sluice::inspect {

class Codec;

class Decoder {
public:
    // `codings` as parse_content_encoding gives them; none of them: octets pass as they are. `max_size`: of decoded octets, of any layer.
    Decoder(std::span<const Coding> codings, const Limits& limits, std::uint64_t max_size);
    ~Decoder();
    Decoder(Decoder&&) noexcept;
    Decoder& operator=(Decoder&&) noexcept;

    // Decodes all of `in`, and calls sink(std::string_view) with each decoded piece: not empty, a view that lasts for the call. Never more
    // octets than the caps allow reach it. `scratch` is used during the call alone, so decoders of one thread may share it: 64 KiB is plenty,
    // 256 octets the least.
    template <class Sink>
    Reason push(std::string_view in, std::span<char> scratch, Sink&& sink) {
        for (std::string_view piece = next(in, scratch); !piece.empty(); piece = next(in, scratch)) sink(piece);
        return fault_;
    }
    // The payload is over. No octets at all are a sound payload, whatever its coding.
    Reason finish();

    Reason fault() const { return fault_; }
    std::uint64_t encoded() const { return encoded_; }  // octets in: those behind a fault are not counted
    std::uint64_t decoded() const { return decoded_; }  // octets out

private:
    struct Layer {
        std::unique_ptr<Codec> codec;
        std::string_view pending{};  // what the layer before it has given
        std::uint64_t written = 0;
        bool has_more = false;
        Reason fault = Reason::none;  // takes effect once the layers behind have taken what was written before it
    };

    std::string_view next(std::string_view& in, std::span<char> scratch);
    std::string_view pass(std::string_view& in);
    std::string_view step(Layer& layer, std::span<char> scratch);
    std::uint64_t allowance() const;

    std::vector<Layer> layers_;  // in the order of decoding
    std::uint64_t ratio_;
    std::uint64_t free_;
    std::uint64_t max_size_;
    std::uint64_t encoded_ = 0;
    std::uint64_t decoded_ = 0;
    Reason fault_ = Reason::none;
};

}  // namespace sluice::inspect
