// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/tnef_reader.h"

#include <algorithm>

#include "protocols/mime/charset.h"
#include "protocols/mime/mail_names.h"
#include "protocols/mime/part_content.h"

namespace sluice::mime {
namespace {

// Attributes (MS-OXTNEF 2.1.3.3) and properties (MS-OXPROPS).
constexpr std::uint32_t attach_rendering = 0x00069002;  // an attachment begins
constexpr std::uint32_t attach_title = 0x00018010;
constexpr std::uint32_t attach_data = 0x0006800f;
constexpr std::uint32_t attach_properties = 0x00069005;
constexpr std::uint16_t property_data = 0x3701;
constexpr std::uint16_t property_long_file_name = 0x3707;

constexpr std::size_t class_size = 16;  // of an object's interface, before its content

std::uint32_t number(std::string_view in) {
    std::uint32_t out = 0;
    for (std::size_t i = 4; i-- > 0;) out = out << 8U | static_cast<unsigned char>(in[i]);
    return out;
}

}  // namespace

TnefReader::TnefReader(std::size_t depth, bool is_alternative, MailOutput& output)
    : depth_(depth),
      is_alternative_(is_alternative),
      output_(output) {}

TnefReader::~TnefReader() = default;

void TnefReader::want(State state, std::uint64_t octets) {
    state_ = state;
    needed_ = octets;
    gathered_.clear();
}

void TnefReader::broken() {
    output_.note(Ambiguity::bad_tnef);
    state_ = State::broken;
}

void TnefReader::feed(std::string_view bytes) {
    while (!bytes.empty() && state_ != State::broken) {
        const bool is_value = state_ == State::value;
        const std::uint64_t missing = is_value ? needed_ : needed_ - gathered_.size();
        const std::string_view now = bytes.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(missing, bytes.size())));
        bytes.remove_prefix(now.size());
        if (is_value) {
            value(now);
            needed_ -= now.size();
            if (needed_ == 0) value_over();
        } else {
            gathered_ += now;
            if (gathered_.size() == needed_) step();
        }
    }
}

void TnefReader::step() {
    if (state_ == State::signature) {
        if (!gathered_.starts_with(signature)) return broken();
        want(State::attribute, 9);
    } else if (state_ == State::attribute) {
        attribute();
    } else {
        want(State::attribute, 9);
    }
}

// Level, id and length came.
void TnefReader::attribute() {
    if (gathered_.front() != 1 && gathered_.front() != 2) return broken();
    id_ = number(std::string_view(gathered_).substr(1));
    const std::uint32_t size = number(std::string_view(gathered_).substr(5));
    if (id_ == attach_rendering) end_attachment();
    if (id_ == attach_data) begin_content();
    MapiProperties::Listener& listener = *this;
    if (id_ == attach_properties) properties_ = std::make_unique<MapiProperties>(listener);
    if (id_ == attach_title) title_.clear();
    want(State::value, size);
    if (size == 0) value_over();
}

void TnefReader::value(std::string_view octets) {
    if (id_ == attach_data) content_->feed(octets);
    else if (id_ == attach_title) keep(title_, octets);
    else if (id_ == attach_properties) properties_->feed(octets);
}

void TnefReader::value_over() {
    if (properties_ && !properties_->is_over()) output_.note(Ambiguity::bad_tnef);
    properties_.reset();
    want(State::checksum, 2);
}

void TnefReader::on_value_begin(MapiProperties::Property property) {
    if (property.id == property_data) {
        class_left_ = property.type == MapiProperties::object ? class_size : 0;
        begin_content();
    } else if (property.id == property_long_file_name) {
        long_name_.clear();
        is_long_name_unicode_ = property.type == MapiProperties::unicode;
    }
}

void TnefReader::on_value(MapiProperties::Property property, std::string_view octets) {
    if (property.id == property_long_file_name) keep(long_name_, octets);
    if (property.id != property_data) return;
    const std::size_t of_class = std::min(class_left_, octets.size());
    class_left_ -= of_class;
    octets.remove_prefix(of_class);
    if (!octets.empty()) content_->feed(octets);
}

void TnefReader::keep(std::string& text, std::string_view octets) const {
    text += octets.substr(0, output_.limits().mail_text - std::min(output_.limits().mail_text, text.size()));
}

void TnefReader::begin_content() {
    // One that has content twice is odd: the first goes without a name.
    if (content_) {
        content_->finish();
        output_.note(Ambiguity::bad_tnef);
    }
    Part part{.content_type = "application/octet-stream", .names = {}, .is_attachment = true, .is_alternative = is_alternative_};
    content_ = std::make_unique<PartContent>(std::move(part), depth_ + 1, output_);
}

void TnefReader::end_attachment() {
    MailNames names(output_.limits().header_parameters, output_.limits().mail_text);
    const auto add = [&](const std::string& text, std::string_view charset) {
        std::string name = to_utf8(text, charset);
        while (name.ends_with('\0')) name.pop_back();
        names.add(name);
    };
    add(long_name_, is_long_name_unicode_ ? "utf-16le" : "");
    add(title_, {});
    if (content_) {
        content_->rename(names.names());
        content_->finish();
    }
    content_.reset();
    title_.clear();
    long_name_.clear();
}

void TnefReader::finish() {
    if (state_ != State::broken && (state_ != State::attribute || !gathered_.empty())) output_.note(Ambiguity::bad_tnef);
    end_attachment();
}

}  // namespace sluice::mime
