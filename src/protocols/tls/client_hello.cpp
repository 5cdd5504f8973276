// SPDX-License-Identifier: Apache-2.0
#include "protocols/tls/client_hello.h"

#include "protocols/tls/cursor.h"
#include "protocols/tls/hello_body.h"

#include <algorithm>
#include <array>
#include <utility>

namespace sluice::tls {

namespace {

constexpr std::size_t record_header = 5;
constexpr std::size_t longest_record = 16 * 1024;            // RFC 8446 5.1
constexpr std::size_t message_header = 4;
constexpr char handshake_record = 22;
constexpr std::uint8_t client_hello_message = 1;

constexpr std::uint16_t secp256r1 = 0x0017;
constexpr std::uint16_t ecdsa_secp256r1_sha256 = 0x0403;
// ECDHE_ECDSA with AES (CBC, GCM, CCM) and with ChaCha20. Those with RC4, 3DES or nothing would only lead to a handshake that fails.
constexpr std::array<std::uint16_t, 11> ecdsa_ciphers{0xc009, 0xc00a, 0xc023, 0xc024, 0xc02b, 0xc02c,
                                                      0xc0ac, 0xc0ad, 0xc0ae, 0xc0af, 0xcca9};

std::unexpected<Error> malformed(std::string_view what) { return fail(Errc::malformed, Side::client, what); }
std::unexpected<Error> too_large() { return fail(Errc::too_large, Side::client, "ClientHello too long"); }

bool contains(const std::vector<std::uint16_t>& list, std::uint16_t value) { return std::ranges::find(list, value) != list.end(); }

// The length of the record that begins `bytes`. nullopt: more is needed.
Result<std::optional<std::size_t>> read_record_header(std::string_view bytes, bool is_first) {
    if (bytes.empty()) return std::nullopt;
    if (bytes[0] != handshake_record) {
        if (is_first) return fail(Errc::unsupported, Side::client, "not TLS");
        return malformed("another record inside the ClientHello");   // RFC 8446 5.1: not interleaved
    }
    if ((bytes.size() > 1 && bytes[1] != 3) || (bytes.size() > 2 && static_cast<std::uint8_t>(bytes[2]) > 4)) {
        if (is_first) return fail(Errc::unsupported, Side::client, "not TLS");
        return malformed("TLS record of an unknown version");
    }
    if (bytes.size() < record_header) return std::nullopt;
    const std::size_t length = Cursor(bytes.substr(3)).number16();
    if (length == 0) return malformed("empty handshake record");
    if (length > longest_record) return malformed("TLS record too long");
    return length;
}

// The length of the record that begins `bytes`, a whole header, if nothing is wrong with it; 0 otherwise.
std::size_t sound_length(std::string_view bytes) {
    const auto octet = [bytes](std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); };
    const std::size_t length = octet(3) * std::size_t{256} + octet(4);
    return bytes[0] == handshake_record && octet(1) == 3 && octet(2) <= 4 && length <= longest_record ? length : 0;
}

// The records from the first one to the one in which the message ends.
struct Flight {
    std::size_t end = 0;                                     // of the last one
    std::size_t message = 0;                                 // octets of the message, with its header
};

Result<std::optional<Flight>> find_end(std::string_view bytes, std::size_t limit) {
    std::string start;                                       // the message's header, whichever records it is spread over
    std::size_t gathered = 0;
    std::optional<std::size_t> message;
    for (std::size_t at = 0;;) {
        // Whole records inside the message: of them a client can send thousands, and an octet at a time has them read each time.
        while (message && bytes.size() - at > record_header) {
            const std::size_t length = sound_length(bytes.substr(at));
            if (length == 0 || length > bytes.size() - at - record_header || length >= *message - gathered) break;
            at += record_header + length;
            gathered += length;
        }
        if (at + record_header + (message ? *message - gathered : 1) > limit) return too_large();
        const auto length = TRY(read_record_header(bytes.substr(at), at == 0));
        if (!length) return std::nullopt;
        at += record_header;
        if (at + *length > limit) return too_large();
        const std::string_view payload = bytes.substr(at, *length);
        if (!message) {
            start += payload.substr(0, message_header - start.size());
            if (!start.empty() && start[0] != client_hello_message) return malformed("the first message is no ClientHello");
            if (start.size() == message_header) message = message_header + Cursor(std::string_view(start).substr(1)).number24();
            if (message && *message > limit) return too_large();
        }
        if (message && gathered + *length > *message) return malformed("octets after the ClientHello in its record");
        if (payload.size() < *length) return std::nullopt;
        gathered += *length;
        at += *length;
        if (message && gathered == *message) return Flight{.end = at, .message = gathered};
    }
}

// `records`: whole and sound.
std::string joined(std::string_view records, std::size_t message) {
    std::string out;
    out.reserve(message);
    for (Cursor cursor(records); cursor.has_more();) {
        cursor.take(record_header - 2);
        out += cursor.vector16();
    }
    return out;
}

}  // namespace

std::uint16_t ClientHello::highest_version() const {
    if (versions.empty()) return legacy_version < ssl_3_0 ? std::uint16_t{0} : std::min(legacy_version, tls_1_2);
    std::uint16_t highest = 0;
    for (const std::uint16_t version : versions)
        if (version >= ssl_3_0 && version <= tls_1_3) highest = std::max(highest, version);
    return highest;
}

bool ClientHello::offers(std::string_view protocol) const { return std::ranges::find(alpn, protocol) != alpn.end(); }

bool ClientHello::may_use_ecdsa() const {
    if (contains(extensions, extension::signature_algorithms) && !contains(signature_algorithms, ecdsa_secp256r1_sha256)) return false;
    if (contains(versions, tls_1_3)) return true;
    return contains(groups, secp256r1) && std::ranges::find_first_of(ciphers, ecdsa_ciphers) != ciphers.end();
}

Result<std::optional<std::size_t>> parse_client_hello(std::string_view bytes, const Limits& limits, ClientHello& out) {
    const auto flight = TRY(find_end(bytes, limits.client_hello));
    if (!flight) return std::nullopt;
    const std::string_view records = bytes.substr(0, flight->end);
    ClientHello hello;
    if (flight->end == record_header + flight->message) {    // in one record, as nearly always
        TRY(read_hello_body(records.substr(record_header + message_header), hello));
    } else {
        const std::string message = joined(records, flight->message);
        TRY(read_hello_body(std::string_view(message).substr(message_header), hello));
    }
    out = std::move(hello);
    return flight->end;
}

}  // namespace sluice::tls
