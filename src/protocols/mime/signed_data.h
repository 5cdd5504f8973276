// SPDX-License-Identifier: Apache-2.0
// CMS (RFC 5652; PKCS #7 of S/MIME) as it streams, as far as what is signed stands in it. BER: lengths definite or not, the content in one piece or in
// many. Nothing is verified; what is behind the content is not looked at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::mime {

class SignedData {
public:
    enum class Kind : std::uint8_t {
        unknown,  // what it is has not come, or is broken
        signed_data,
        encrypted,  // enveloped, encrypted, authenticated and enveloped
        other,
    };
    // Hears what is signed, in pieces. Views live until the call returns.
    class Listener {
    public:
        virtual ~Listener() = default;
        virtual void on_content(std::string_view octets) = 0;
    };

    explicit SignedData(Listener& listener) : listener_(listener) {}  // which outlives it

    // Whether octets begin as CMS does: a sequence, in it an identifier of a kind that is known here. Nothing: more of them must come.
    static constexpr std::size_t deciding = 24;  // octets that always decide
    static std::optional<bool> is_begun_by(std::string_view beginning);

    void feed(std::string_view in);

    Kind kind() const { return kind_; }
    bool is_over() const { return step_ == Step::over || step_ == Step::broken; }
    bool is_broken() const { return step_ == Step::broken; }
    bool is_odd() const { return is_odd_; }  // lengths contradict each other, or a piece is of another type

private:
    // Which element comes next.
    enum class Step : std::uint8_t {
        content_info,
        kind,
        explicit_content,
        signed_data,
        version,
        algorithms,
        encapsulated,
        content_type,
        explicit_octets,
        octets,
        pieces,
        skipped,  // what is within one of which the length is not told
        over,
        broken,
    };
    struct Element {
        unsigned char tag;
        std::optional<std::uint64_t> size;
        std::uint64_t end;
    };

    bool has_header() const;
    void element();
    void enter(const Element& element, Step next);
    void keep(const Element& element);
    void skip(const Element& element, Step next);
    void piece(const Element& element);
    void value_over();
    void judge_kind();
    void close_pieces();

    Listener& listener_;
    Step step_ = Step::content_info;
    Kind kind_ = Kind::unknown;
    bool is_odd_ = false;
    std::string header_;  // tag and length of the next element, as far as they have come
    std::uint64_t position_ = 0;
    std::uint64_t left_ = 0;  // octets of a value
    std::string value_;  // of an identifier
    Step behind_skipped_ = Step::over;
    std::size_t skipped_depth_ = 0;  // elements without a length that are open
    std::uint64_t end_ = UINT64_MAX;  // where what the content is in is over at the latest
    std::uint64_t encapsulated_end_ = UINT64_MAX;
    std::vector<std::uint64_t> pieces_;  // where those are over that are open; UINT64_MAX: their end is told
};

}  // namespace sluice::mime
