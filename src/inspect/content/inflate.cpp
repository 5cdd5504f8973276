// SPDX-License-Identifier: Apache-2.0
// gzip (RFC 1952) and deflate (RFC 1950, 1951).
#include "inspect/content/codec.h"

#define ZLIB_CONST
#include <zlib.h>

#include <algorithm>
#include <string>

namespace sluice::inspect {
namespace {

constexpr int gzip_format = MAX_WBITS + 16;
constexpr int zlib_format = MAX_WBITS;
constexpr int raw_format = -MAX_WBITS;

class Inflater {
public:
    explicit Inflater(int format) : is_ready_(inflateInit2(&stream_, format) == Z_OK) {}
    ~Inflater() {
        if (is_ready_) inflateEnd(&stream_);
    }
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;

    // zlib's own answer; octets taken are gone from `in`, octets written are gone from `out` and counted in `step`.
    int run(std::string_view& in, std::span<char>& out, Codec::Step& step) {
        if (!is_ready_) return Z_MEM_ERROR;
        stream_.next_in = reinterpret_cast<const Bytef*>(in.data());
        stream_.avail_in = static_cast<uInt>(in.size());
        stream_.next_out = reinterpret_cast<Bytef*>(out.data());
        stream_.avail_out = static_cast<uInt>(out.size());
        const int status = inflate(&stream_, Z_NO_FLUSH);
        const std::size_t written = out.size() - stream_.avail_out;
        in.remove_prefix(in.size() - stream_.avail_in);
        out = out.subspan(written);
        step.written += written;
        return status;
    }
    bool restart(int format) { return is_ready_ && inflateReset2(&stream_, format) == Z_OK; }

private:
    z_stream stream_{};
    bool is_ready_;
};

bool is_fault(int status) { return status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR; }
Reason reason_of(int status) { return status == Z_MEM_ERROR ? Reason::overloaded : Reason::corrupt; }

// Several members are one payload (RFC 1952 2.2). Zeros behind the last are padding, as gzip(1) has it; anything else is corrupt: it would
// reach a client that is less strict, unseen.
class GzipCodec final : public Codec {
public:
    Step step(std::string_view& in, std::span<char> out) override {
        Step step;
        for (;;) {
            if (place_ == Place::fresh || place_ == Place::between) {
                if (in.empty()) return step;
                if (place_ == Place::between && in.front() == '\0') {
                    place_ = Place::padding;
                } else {
                    if (place_ == Place::between) inflater_.restart(gzip_format);
                    place_ = Place::member;
                }
            }
            if (place_ == Place::padding) {
                if (in.find_first_not_of('\0') != std::string_view::npos) step.fault = Reason::corrupt;
                in = {};
                return step;
            }
            const int status = inflater_.run(in, out, step);
            if (is_fault(status)) {
                step.fault = reason_of(status);
                return step;
            }
            if (status == Z_STREAM_END) place_ = Place::between;
            step.has_more = out.empty();
            if (status != Z_STREAM_END || step.has_more) return step;
        }
    }
    bool may_end() const override { return place_ != Place::member; }

private:
    enum class Place : std::uint8_t { fresh, member, between, padding };

    Inflater inflater_{gzip_format};
    Place place_ = Place::fresh;
};

// "deflate" is the zlib format (RFC 9110 8.4.1.2), but some servers send it raw, and browsers take that: what fails as zlib before it has given
// an octet is tried again as raw deflate. Its first octets do not tell: 78 9c may also begin a raw stored block.
class DeflateCodec final : public Codec {
public:
    Step step(std::string_view& in, std::span<char> out) override {
        Step step;
        if (place_ == Place::sniffing) sniff(in, out, step);
        if (place_ == Place::sniffing || step.fault != Reason::none) return step;
        while (place_ == Place::body) {
            std::string_view replay = std::string_view(replay_).substr(replayed_);
            const bool is_replay = !replay.empty();
            std::string_view& source = is_replay ? replay : in;
            const int status = inflater_.run(source, out, step);
            if (is_replay) replayed_ = replay_.size() - replay.size();
            if (is_fault(status)) {
                step.fault = reason_of(status);
                return step;
            }
            if (status == Z_STREAM_END) place_ = Place::ended;
            if (out.empty()) {
                step.has_more = true;
                return step;
            }
            if (!is_replay) break;
        }
        if (place_ == Place::ended && (!in.empty() || replayed_ != replay_.size())) step.fault = Reason::corrupt;
        return step;
    }
    bool may_end() const override { return place_ == Place::ended || (place_ == Place::sniffing && replay_.empty()); }

private:
    enum class Place : std::uint8_t { sniffing, body, ended };

    // As much as Chromium looks at: a header and the tables of a block.
    static constexpr std::size_t longest_sniff = 1000;

    void sniff(std::string_view& in, std::span<char>& out, Step& step) {
        const std::string_view part = in.substr(0, longest_sniff - replay_.size());
        if (part.empty()) return;
        std::string_view rest = part;
        const int status = inflater_.run(rest, out, step);
        if (status == Z_MEM_ERROR) {
            step.fault = Reason::overloaded;
        } else if (is_fault(status) && step.written == 0) {
            place_ = Place::body;
            if (!inflater_.restart(raw_format)) step.fault = Reason::overloaded;
        } else if (is_fault(status)) {
            step.fault = reason_of(status);
        } else {
            const std::size_t taken = part.size() - rest.size();
            in.remove_prefix(taken);
            replay_.append(part.substr(0, taken));
            if (status == Z_STREAM_END) place_ = Place::ended;
            else if (step.written != 0 || replay_.size() == longest_sniff) place_ = Place::body;
            if (place_ != Place::sniffing) replay_ = std::string();
        }
    }

    Inflater inflater_{zlib_format};
    Place place_ = Place::sniffing;
    std::string replay_;  // taken while it was not yet sure that this is the zlib format
    std::size_t replayed_ = 0;
};

}  // namespace

std::unique_ptr<Codec> make_gzip() { return std::make_unique<GzipCodec>(); }
std::unique_ptr<Codec> make_deflate() { return std::make_unique<DeflateCodec>(); }

}  // namespace sluice::inspect
