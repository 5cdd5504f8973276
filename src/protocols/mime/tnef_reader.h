// SPDX-License-Identifier: Apache-2.0
// TNEF (winmail.dat; MS-OXTNEF) as it streams: the attachments in it. What is malformed ends it, and is said.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/mime/mail_output.h"
#include "protocols/mime/mapi_properties.h"

namespace sluice::mime {

class PartContent;

class TnefReader : MapiProperties::Listener {
public:
    static constexpr std::string_view signature = "\x78\x9f\x3e\x22";

    // `depth`: parts that it was found in. `is_alternative`: it is. `output` outlives it.
    TnefReader(std::size_t depth, bool is_alternative, MailOutput& output);
    ~TnefReader() override;
    TnefReader(const TnefReader&) = delete;
    TnefReader& operator=(const TnefReader&) = delete;

    void feed(std::string_view bytes);
    void finish();

private:
    // What the next octets are.
    enum class State : std::uint8_t { signature, attribute, value, checksum, broken };

    void want(State state, std::uint64_t octets);
    void step();
    void attribute();
    void value(std::string_view octets);
    void value_over();
    void on_value_begin(MapiProperties::Property property) override;
    void on_value(MapiProperties::Property property, std::string_view octets) override;
    void begin_content(bool is_object);
    void end_attachment();
    void begin_name(std::uint32_t from, bool is_unicode);
    void keep_name(std::string_view octets);
    std::vector<std::string> names() const;
    void broken();

    std::size_t depth_;
    bool is_alternative_;
    MailOutput& output_;

    State state_ = State::signature;
    std::string gathered_;
    std::uint64_t needed_ = 6;  // octets to gather, or that remain of a value
    std::uint32_t id_ = 0;  // of the attribute
    std::unique_ptr<MapiProperties> properties_;

    // Of the attachment.
    struct Name {
        std::uint32_t from;  // the attribute or property
        bool is_unicode;
        std::string text;
    };
    std::vector<std::unique_ptr<PartContent>> contents_;  // the last is what comes
    std::size_t class_left_ = 0;  // octets before an object's content
    std::vector<Name> names_;
};

}  // namespace sluice::mime
