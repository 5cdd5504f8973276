// SPDX-License-Identifier: Apache-2.0
// zstd (RFC 8878) with windows up to 8 MiB (RFC 9659). Several frames are one payload; skippable ones give nothing.
#include "inspect/content/codec.h"

#include <zstd.h>
#include <zstd_errors.h>

namespace sluice::inspect {
namespace {

constexpr int largest_window_log = 23;
constexpr std::size_t block_header = 3;
constexpr std::string_view frame_magic = "\x28\xb5\x2f\xfd";
constexpr std::string_view skippable_magic = "\x50\x2a\x4d\x18";  // the first octet's lower half is free

struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

class ZstdCodec final : public Codec {
public:
    ZstdCodec() : context_(ZSTD_createDCtx()) {
        if (context_) ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, largest_window_log);
    }

    Step step(std::string_view& in, std::span<char> out) override {
        if (!context_) return {.fault = Reason::overloaded};
        Step step;
        do {
            if (magic_octets_ < frame_magic.size()) magic_octet(in, step);
            else body(in, out, step);
        } while (!in.empty() && !step.has_more && step.fault == Reason::none);
        return step;
    }
    bool may_end() const override { return magic_octets_ == 0; }

private:
    // One octet a call, for two reasons: the library would take frames of its old formats as well, which nobody else on the path
    // understands; and, shown a whole frame at once, it does not look at the window's size.
    void magic_octet(std::string_view& in, Step& step) {
        if (in.empty()) return;
        const char c = in.front();
        if (magic_octets_ == 0) is_skippable_ = (c & 0xf0) == skippable_magic.front();
        const bool is_free = is_skippable_ && magic_octets_ == 0;
        if (!is_free && c != (is_skippable_ ? skippable_magic : frame_magic)[magic_octets_]) {
            step.fault = Reason::corrupt;
            return;
        }
        ++magic_octets_;
        std::string_view one = in.substr(0, 1);
        in.remove_prefix(1);
        std::span<char> nothing;
        run(one, nothing, step);
    }

    // A block a call, and what it gave is taken before more is read: octets that were written in a call that ends in a fault are lost. The
    // library asks for a block and the header behind it.
    void body(std::string_view& in, std::span<char>& out, Step& step) {
        const std::size_t wanted = wanted_ > block_header ? wanted_ - block_header : wanted_;
        const std::string_view part = in.substr(0, has_more_ ? 0 : wanted);
        std::string_view rest = part;
        run(rest, out, step);
        in.remove_prefix(part.size() - rest.size());
        if (wanted_ == 0) magic_octets_ = 0;  // the frame is over, and all of it is written
        has_more_ = step.has_more = wanted_ != 0 && out.empty();
    }

    void run(std::string_view& in, std::span<char>& out, Step& step) {
        ZSTD_inBuffer source{in.data(), in.size(), 0};
        ZSTD_outBuffer target{out.data(), out.size(), 0};
        wanted_ = ZSTD_decompressStream(context_.get(), &target, &source);
        in.remove_prefix(source.pos);
        out = out.subspan(target.pos);
        step.written += target.pos;
        if (ZSTD_isError(wanted_) != 0) step.fault = reason_of(ZSTD_getErrorCode(wanted_));
    }

    static Reason reason_of(ZSTD_ErrorCode code) {
        switch (code) {
            case ZSTD_error_memory_allocation: return Reason::overloaded;
            case ZSTD_error_frameParameter_windowTooLarge:
            case ZSTD_error_dictionary_wrong: return Reason::undecodable;  // sound, but for a decoder that was told more
            default: return Reason::corrupt;
        }
    }

    std::unique_ptr<ZSTD_DCtx, Free> context_;
    std::size_t magic_octets_ = 0;  // of the current frame's, that have come
    bool is_skippable_ = false;
    bool has_more_ = false;  // the last output was full
    std::size_t wanted_ = 0;  // octets that the library hopes for next; 0: the frame is over
};

}  // namespace

std::unique_ptr<Codec> make_zstd() { return std::make_unique<ZstdCodec>(); }

}  // namespace sluice::inspect
