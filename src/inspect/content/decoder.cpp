// SPDX-License-Identifier: Apache-2.0
#include "inspect/content/decoder.h"

#include "inspect/content/codec.h"

#include <algorithm>
#include <ranges>

namespace sluice::inspect {
namespace {

// Encoded octets are taken in blocks that end at multiples of this, and the ratio is judged as if the current block were all there: so it
// does not depend on how the octets came.
constexpr std::uint64_t block = 4096;

std::unique_ptr<Codec> make_codec(Coding coding) {
    switch (coding) {
        case Coding::gzip: return make_gzip();
        case Coding::deflate: return make_deflate();
        case Coding::br: return make_brotli();
        case Coding::zstd: return make_zstd();
        case Coding::identity: break;
    }
    return nullptr;
}

}  // namespace

Decoder::Decoder(std::span<const Coding> codings, const Limits& limits, std::uint64_t max_size)
    : ratio_(limits.decoded_ratio),
      free_(limits.decoded_free),
      max_size_(max_size) {
    if (codings.size() > limits.decoded_layers) {
        fault_ = Reason::too_deep;
        return;
    }
    for (const Coding coding : codings | std::views::reverse)      // the last one applied is the first to be undone
        if (coding != Coding::identity) layers_.push_back({.codec = make_codec(coding)});
}

Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;

std::string_view Decoder::next(std::string_view& in, std::span<char> scratch) {
    if (layers_.empty()) return pass(in);
    const std::size_t share = scratch.size() / layers_.size();
    while (fault_ == Reason::none) {
        // The last layer that has something to do goes first, so that nothing is written before what was written has been taken.
        std::size_t at = layers_.size();
        while (at > 0 && layers_[at - 1].pending.empty() && !layers_[at - 1].has_more && layers_[at - 1].fault == Reason::none) --at;
        if (at == 0) {
            if (in.empty()) break;
            layers_.front().pending = in.substr(0, block - encoded_ % block);
            encoded_ += layers_.front().pending.size();
            in.remove_prefix(layers_.front().pending.size());
            continue;
        }
        Layer& layer = layers_[at - 1];
        if (layer.fault != Reason::none) {
            fault_ = layer.fault;
            break;
        }
        const std::string_view piece = step(layer, scratch.subspan((at - 1) * share, share));
        if (at < layers_.size()) {
            layers_[at].pending = piece;
        } else if (!piece.empty()) {
            decoded_ += piece.size();
            return piece;
        }
    }
    return {};
}

// No coding: only the size is watched.
std::string_view Decoder::pass(std::string_view& in) {
    if (fault_ != Reason::none) return {};
    const std::string_view piece = in.substr(0, std::min<std::uint64_t>(in.size(), max_size_ - decoded_));
    in.remove_prefix(piece.size());
    encoded_ += piece.size();
    decoded_ += piece.size();
    if (piece.empty() && !in.empty()) fault_ = Reason::too_large;
    return piece;
}

// Gives its codec room for one octet more than it may write: that octet, which nobody sees, is the fault.
std::string_view Decoder::step(Layer& layer, std::span<char> scratch) {
    const std::uint64_t room = std::min(allowance(), max_size_) - layer.written;
    if (room < scratch.size()) scratch = scratch.first(static_cast<std::size_t>(room) + 1);
    const Codec::Step done = layer.codec->step(layer.pending, scratch);
    layer.fault = done.fault;
    layer.has_more = done.has_more;
    std::size_t written = done.written;
    if (written > room) {
        written = static_cast<std::size_t>(room);
        layer.fault = layer.written + room == max_size_ ? Reason::too_large : Reason::bomb;
    }
    layer.written += written;
    return {scratch.data(), written};
}

std::uint64_t Decoder::allowance() const { return std::max(free_, ratio_ * ((encoded_ + block - 1) / block * block)); }

Reason Decoder::finish() {
    if (fault_ == Reason::none && !std::ranges::all_of(layers_, [](const Layer& layer) { return layer.codec->may_end(); }))
        fault_ = Reason::truncated;
    return fault_;
}

}  // namespace sluice::inspect
