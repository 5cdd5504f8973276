// SPDX-License-Identifier: Apache-2.0
#include "inspect/scanner/protocol.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <type_traits>

namespace sluice::inspect::protocol {

namespace {

static_assert(std::endian::native == std::endian::little, "packets never leave the machine: numbers are the machine's own");

// Both ends are one binary; a packet of another one (an upgrade in place) is refused.
constexpr std::uint32_t version = 0x5c4e0002;

// Who may say so: a scanner has no others to blame than the engines that run in it.
constexpr std::array<std::string_view, 5> engine_names{"", "signatures", "yara", "archive", structure_engine};

// Fields are described once (`fields`), and written or read by one of these.
class Writer {
public:
    static constexpr bool reads = false;
    explicit Writer(std::string& packet) : packet_(packet) {}

    template <class T>
    void number(const T& value) {
        static_assert(std::is_trivially_copyable_v<T>);
        packet_.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    void flag(const bool& value) { number(static_cast<std::uint8_t>(value)); }
    template <class E>
    void choice(const E& value, E) {
        number(value);
    }
    void text(std::string_view value, std::size_t capacity) {
        value = value.substr(0, capacity);
        number(static_cast<std::uint16_t>(value.size()));
        packet_.append(value);
        packet_.append(capacity - value.size(), '\0');
    }
    void name(std::string_view value, std::size_t capacity) {
        text(value.substr(value.size() - std::min(value.size(), capacity)), capacity);
    }
    void spoil() {}

private:
    std::string& packet_;
};

class Reader {
public:
    static constexpr bool reads = true;
    explicit Reader(std::string_view packet) : rest_(packet) {}

    template <class T>
    void number(T& value) {
        static_assert(std::is_trivially_copyable_v<T>);
        if (rest_.size() < sizeof value) return spoil();
        std::memcpy(&value, rest_.data(), sizeof value);
        rest_.remove_prefix(sizeof value);
    }
    void flag(bool& value) {
        std::uint8_t byte = 0;
        number(byte);
        if (byte > 1) spoil();
        value = byte == 1;
    }
    template <class E>
    void choice(E& value, E last) {
        std::underlying_type_t<E> raw{};
        number(raw);
        if (raw > static_cast<std::underlying_type_t<E>>(last)) return spoil();
        value = static_cast<E>(raw);
    }
    void text(std::string& value, std::size_t capacity) {
        std::uint16_t size = 0;
        number(size);
        if (size > capacity || rest_.size() < capacity) return spoil();
        value = rest_.substr(0, size);
        if (rest_.substr(size, capacity - size).find_first_not_of('\0') != std::string_view::npos) spoil();
        rest_.remove_prefix(capacity);
    }
    void name(std::string& value, std::size_t capacity) { text(value, capacity); }
    void spoil() { is_good_ = false; }
    bool is_good() const { return is_good_; }
    bool is_at_end() const { return rest_.empty(); }

private:
    std::string_view rest_;
    bool is_good_ = true;
};

void fields(auto& io, auto& limits)
    requires std::is_same_v<std::remove_cvref_t<decltype(limits)>, ScanLimits>
{
    io.number(limits.depth);
    io.number(limits.members);
    io.number(limits.member_bytes);
    io.number(limits.total_bytes);
    io.number(limits.ratio);
    io.number(limits.ratio_floor);
}

void fields(auto& io, auto& job)
    requires std::is_same_v<std::remove_cvref_t<decltype(job)>, Job>
{
    io.number(job.id);
    io.number(job.size);
    io.number(job.deadline);
    io.flag(job.engines.signatures);
    io.flag(job.engines.yara);
    io.flag(job.engines.archives);
    io.choice(job.fault, Fault::hang);
    io.flag(job.wants_members);
    io.flag(job.wants_digests);
    fields(io, job.limits);
    io.number(job.rules_generation);
    io.choice(job.multipart.kind, mime::MultipartKind::other);
    io.text(job.multipart.boundary, boundary_size);
    io.flag(job.multipart.is_bare);
    if (job.multipart.boundary.empty() != (job.multipart.kind == mime::MultipartKind::none)) io.spoil();
    io.name(job.name, name_size);
}

void fields(auto& io, auto& outcome)
    requires std::is_same_v<std::remove_cvref_t<decltype(outcome)>, Outcome>
{
    io.choice(outcome.verdict, Verdict::infected);
    io.choice(outcome.reason, Reason::no_engine);
    io.text(outcome.threat, threat_size);
    std::uint8_t engine = static_cast<std::uint8_t>(std::ranges::find(engine_names, outcome.engine) - engine_names.begin());
    if (engine == engine_names.size()) engine = 0;
    std::uint8_t count = static_cast<std::uint8_t>(std::min(outcome.matches.size(), matches_max));
    io.number(engine);
    io.number(count);
    if constexpr (std::remove_cvref_t<decltype(io)>::reads) {
        if (engine >= engine_names.size() || count > matches_max) return io.spoil();
        outcome.engine = engine_names[engine];
        outcome.matches.resize(count);
    }
    std::string none;
    for (std::size_t i = 0; i < matches_max; ++i) {
        io.text(i < count ? outcome.matches[i] : none, match_size);
        if (!none.empty()) io.spoil();
    }
}

void fields(auto& io, auto& body)
    requires std::is_same_v<std::remove_cvref_t<decltype(body)>, BodyFound>
{
    std::array<std::uint64_t, BodyFound::most / 64> bits{};
    std::ranges::copy_n(body.bits().begin(), static_cast<std::ptrdiff_t>(std::min(bits.size(), body.bits().size())), bits.begin());
    io.number(bits);
    if constexpr (std::remove_cvref_t<decltype(io)>::reads)
        for (std::size_t i = 0; i < BodyFound::most; ++i)
            if (bits[i / 64] >> (i % 64) & 1) body.set(i);
}

void fields(auto& io, auto& found)
    requires std::is_same_v<std::remove_cvref_t<decltype(found)>, Found>
{
    io.number(found.job);
    auto& member = found.member;
    io.number(member.depth);
    io.flag(member.is_encrypted);
    io.number(member.size);
    bool has_digest = member.sha256.has_value();
    Digest digest = member.sha256.value_or(Digest{});
    io.flag(has_digest);
    io.number(digest);
    if constexpr (std::remove_cvref_t<decltype(io)>::reads) {
        if (has_digest) member.sha256 = digest;
        else if (digest != Digest{}) io.spoil();
    }
    io.name(member.path, name_size);
    io.text(member.first_bytes, Member::first_bytes_size);
    fields(io, member.outcome);
    fields(io, member.body);
}

void fields(auto& io, auto& done)
    requires std::is_same_v<std::remove_cvref_t<decltype(done)>, Done>
{
    io.number(done.job);
    fields(io, done.outcome);
    io.number(done.members);
    io.number(done.unpacked);
}

void fields(auto& io, auto& ready)
    requires std::is_same_v<std::remove_cvref_t<decltype(ready)>, Ready>
{
    io.number(ready.rules);
    io.number(ready.compile_milliseconds);
}

void fields(auto& io, auto& said)
    requires std::is_same_v<std::remove_cvref_t<decltype(said)>, Diagnosis>
{
    bool is_warning = said.diagnostic.severity == Diagnostic::Severity::warning;
    io.flag(is_warning);
    if constexpr (std::remove_cvref_t<decltype(io)>::reads)
        said.diagnostic.severity = is_warning ? Diagnostic::Severity::warning : Diagnostic::Severity::error;
    io.number(said.diagnostic.place.line);
    io.number(said.diagnostic.place.column);
    io.text(said.diagnostic.place.file, text_size);
    io.text(said.diagnostic.message, text_size);
    io.text(said.diagnostic.source_line, text_size);
}

void fields(auto& io, auto& born)
    requires std::is_same_v<std::remove_cvref_t<decltype(born)>, Born>
{
    io.number(born.pid);
}

void fields(auto&, auto& empty)
    requires std::is_empty_v<std::remove_cvref_t<decltype(empty)>>
{}

// What the fields say one by one must also make sense together.
bool makes_sense(const auto&) { return true; }
bool makes_sense(const Born& born) { return born.pid > 0; }
bool makes_sense(const Outcome& outcome) {
    if (std::ranges::any_of(outcome.matches, &std::string::empty)) return false;
    switch (outcome.verdict) {
        case Verdict::clean: return outcome.reason == Reason::none && outcome.threat.empty();
        case Verdict::infected: return outcome.reason == Reason::none && !outcome.threat.empty();
        case Verdict::unscannable:
            return outcome.reason >= Reason::timeout && outcome.reason <= Reason::truncated && outcome.threat.empty();
        case Verdict::skipped: return outcome.reason == Reason::no_engine && outcome.threat.empty();
    }
    return false;
}
bool makes_sense(const Found& found) { return found.member.depth > 0 && makes_sense(found.member.outcome); }
bool makes_sense(const Done& done) { return makes_sense(done.outcome); }

template <std::size_t Kind = 0>
Result<Message> decode_kind(std::uint32_t kind, std::string_view body) {
    if constexpr (Kind == std::variant_size_v<Message>) {
        return fail(Errc::malformed, Side::self, "a scanner's message is of no known kind");
    } else {
        if (kind != Kind) return decode_kind<Kind + 1>(kind, body);
        std::variant_alternative_t<Kind, Message> message;
        Reader reader(body);
        fields(reader, message);
        if (!reader.is_good() || !reader.is_at_end() || !makes_sense(message))
            return fail(Errc::malformed, Side::self, "a scanner's message is broken");
        return message;
    }
}

}  // namespace

std::string encode(const Message& message) {
    std::string packet;
    Writer writer(packet);
    writer.number(version);
    writer.number(static_cast<std::uint32_t>(message.index()));
    std::visit([&](const auto& each) { fields(writer, each); }, message);
    return packet;
}

Result<Message> decode(std::string_view packet) {
    Reader reader(packet);
    std::uint32_t said = 0;
    std::uint32_t kind = 0;
    reader.number(said);
    reader.number(kind);
    if (!reader.is_good() || said != version) return fail(Errc::malformed, Side::self, "a scanner's message is of another version");
    return decode_kind(kind, packet.substr(2 * sizeof(std::uint32_t)));
}

}  // namespace sluice::inspect::protocol
