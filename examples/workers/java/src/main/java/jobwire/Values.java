package jobwire;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.msgpack.core.MessageBufferPacker;
import org.msgpack.core.MessagePack;
import org.msgpack.core.MessagePackException;
import org.msgpack.core.MessageUnpacker;

/**
 * Values of SPEC.md section 4.3, and documents as bytes. A value is null, a Boolean, a Long, a
 * Double, a String, a List or a Map with String keys; an integer beyond 2^53 is read as the nearest
 * Double.
 */
public final class Values {
  public enum Encoding {
    JSON,
    MSGPACK
  }

  /** A document that cannot be read. */
  public static final class Malformed extends Exception {
    Malformed(String message) {
      super(message);
    }
  }

  /** What section 4.3 forbids a writer. */
  public static class Unwritable extends Exception {
    Unwritable(String message) {
      super(message);
    }
  }

  public static final class TooLarge extends Unwritable {
    TooLarge() {
      super("over " + MAX_BYTES + " bytes [VAL-10]");
    }
  }

  public record Document(Map<String, Object> fields, Encoding encoding) {}

  static final int MAX_BYTES = 1048576;
  static final long MAX_INTEGER = 9007199254740991L;
  private static final int MAX_DEPTH = 32;
  private static final int READ_DEPTH = 500;

  private static final JsonFactory JSON =
      JsonFactory.builder()
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(READ_DEPTH)
                  .maxNumberLength(Integer.MAX_VALUE)
                  .maxNameLength(Integer.MAX_VALUE)
                  .maxStringLength(Integer.MAX_VALUE)
                  .build())
          .build();
  private static final MessagePack.UnpackerConfig UNPACKER =
      new MessagePack.UnpackerConfig()
          .withAllowReadingBinaryAsString(false)
          .withActionOnMalformedString(CodingErrorAction.REPORT)
          .withActionOnUnmappableString(CodingErrorAction.REPORT);

  private Values() {}

  /** Read a document; its first byte tells the encoding. [ENC-1] */
  @SuppressWarnings("unchecked")
  public static Document read(byte[] bytes) throws Malformed {
    int first = bytes.length == 0 ? -1 : bytes[0] & 0xff;
    try {
      if (first == '{') {
        return new Document((Map<String, Object>) parse(bytes), Encoding.JSON);
      }
      if (first >= 0x80 && first <= 0x8f || first == 0xde || first == 0xdf) {
        return new Document((Map<String, Object>) unpack(bytes), Encoding.MSGPACK);
      }
    } catch (IOException | MessagePackException error) {
      throw new Malformed(String.valueOf(error.getMessage()));
    }
    throw new Malformed("expected the first byte of an object, got " + first + " [ENC-1]");
  }

  private static Object parse(byte[] bytes) throws IOException, Malformed {
    // Of bytes, the parser would take UTF-16 and UTF-32 too.
    String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    try (JsonParser parser = JSON.createParser(text)) {
      parser.nextToken();
      Object value = parseValue(parser);
      if (parser.nextToken() != null) {
        throw new Malformed("something follows the end of the value");
      }
      return value;
    }
  }

  private static Object parseValue(JsonParser parser) throws IOException, Malformed {
    switch (parser.currentToken()) {
      case START_OBJECT:
        Map<String, Object> members = new LinkedHashMap<>();
        while (parser.nextToken() != JsonToken.END_OBJECT) {
          String name = parser.currentName();
          parser.nextToken();
          members.put(name, parseValue(parser));
        }
        return members;
      case START_ARRAY:
        List<Object> array = new ArrayList<>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
          array.add(parseValue(parser));
        }
        return array;
      case VALUE_STRING:
        return parser.getText();
      case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT:
        return number(parser.getDoubleValue());
      case VALUE_NULL:
        return null;
      default:
        return parser.getBooleanValue();
    }
  }

  /** Integral doubles that are exact are kept as Long; infinity is more than a double can hold. */
  private static Object number(double number) throws Malformed {
    if (Double.isInfinite(number) || Double.isNaN(number)) {
      throw new Malformed("a number that no double can hold");
    }
    return number == Math.rint(number) && Math.abs(number) <= MAX_INTEGER ? (Object) (long) number : (Object) number;
  }

  private static Object unpack(byte[] bytes) throws IOException, Malformed {
    try (MessageUnpacker unpacker = UNPACKER.newUnpacker(bytes)) {
      Object value = unpackValue(unpacker, READ_DEPTH);
      if (unpacker.hasNext()) {
        throw new Malformed("something follows the end of the value");
      }
      return value;
    }
  }

  // A declared length can be 4 GiB: memory is taken as members come.
  private static Object unpackValue(MessageUnpacker unpacker, int room) throws IOException, Malformed {
    if (room == 0) {
      throw new Malformed("nested too deeply");
    }
    switch (unpacker.getNextFormat().getValueType()) {
      case NIL:
        unpacker.unpackNil();
        return null;
      case BOOLEAN:
        return unpacker.unpackBoolean();
      case INTEGER:
        return number(unpacker.unpackBigInteger().doubleValue());
      case FLOAT:
        return number(unpacker.unpackDouble());
      case STRING:
        return unpacker.unpackString();
      case ARRAY:
        List<Object> array = new ArrayList<>();
        for (int left = unpacker.unpackArrayHeader(); left > 0; left--) {
          array.add(unpackValue(unpacker, room - 1));
        }
        return array;
      case MAP:
        Map<String, Object> members = new LinkedHashMap<>();
        for (int left = unpacker.unpackMapHeader(); left > 0; left--) {
          String name = unpacker.unpackString();
          members.put(name, unpackValue(unpacker, room - 1));
        }
        return members;
      default:
        throw new Malformed("bin, ext and timestamp are no values [VAL-8]");
    }
  }

  /** Write a document as bytes. */
  public static byte[] write(Map<String, Object> fields, Encoding encoding) throws Unwritable {
    check(fields, MAX_DEPTH);
    byte[] bytes;
    try {
      bytes = encoding == Encoding.JSON ? generate(fields) : pack(fields);
    } catch (IOException error) {
      throw new Unwritable(error.getMessage());
    }
    if (bytes.length > MAX_BYTES) {
      throw new TooLarge();
    }
    return bytes;
  }

  static byte[] generate(Object value) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (JsonGenerator generator = JSON.createGenerator(out)) {
      generateValue(generator, value);
    }
    return out.toByteArray();
  }

  private static void generateValue(JsonGenerator generator, Object value) throws IOException {
    if (value instanceof Map<?, ?> members) {
      generator.writeStartObject();
      for (Map.Entry<?, ?> member : members.entrySet()) {
        generator.writeFieldName((String) member.getKey());
        generateValue(generator, member.getValue());
      }
      generator.writeEndObject();
    } else if (value instanceof List<?> array) {
      generator.writeStartArray();
      for (Object member : array) {
        generateValue(generator, member);
      }
      generator.writeEndArray();
    } else if (value instanceof String text) {
      generator.writeString(text);
    } else if (value instanceof Boolean flag) {
      generator.writeBoolean(flag);
    } else if (value instanceof Double number) {
      generator.writeNumber(number);
    } else if (value instanceof Number number) {
      generator.writeNumber(number.longValue());
    } else {
      generator.writeNull();
    }
  }

  private static byte[] pack(Object value) throws IOException {
    try (MessageBufferPacker packer = MessagePack.newDefaultBufferPacker()) {
      packValue(packer, value);
      return packer.toByteArray();
    }
  }

  private static void packValue(MessageBufferPacker packer, Object value) throws IOException {
    if (value instanceof Map<?, ?> members) {
      packer.packMapHeader(members.size());
      for (Map.Entry<?, ?> member : members.entrySet()) {
        packer.packString((String) member.getKey());
        packValue(packer, member.getValue());
      }
    } else if (value instanceof List<?> array) {
      packer.packArrayHeader(array.size());
      for (Object member : array) {
        packValue(packer, member);
      }
    } else if (value instanceof String text) {
      packer.packString(text);
    } else if (value instanceof Boolean flag) {
      packer.packBoolean(flag);
    } else if (value instanceof Double number) {
      packer.packDouble(number);
    } else if (value instanceof Number number) {
      packer.packLong(number.longValue());
    } else {
      packer.packNil();
    }
  }

  /** Throw unless the value may be written and is no deeper than room. */
  static void check(Object value, int room) throws Unwritable {
    if (value instanceof Map<?, ?> || value instanceof List<?>) {
      if (room == 0) {
        throw new Unwritable("deeper than a document can be [VAL-9]");
      }
      if (value instanceof Map<?, ?> members) {
        checkKeys(members.keySet());
      }
      for (Object member : value instanceof Map<?, ?> members ? members.values() : (List<?>) value) {
        check(member, room - 1);
      }
    } else if (value instanceof String text) {
      checkText(text);
    } else if (value instanceof Double number) {
      if (Double.isNaN(number) || Double.isInfinite(number)) {
        throw new Unwritable(number + " is not finite [VAL-5]");
      }
    } else if (value instanceof Long || value instanceof Integer) {
      if (Math.abs(((Number) value).doubleValue()) > MAX_INTEGER) {
        throw new Unwritable("the integer " + value + " [VAL-3]");
      }
    } else if (value != null && !(value instanceof Boolean)) {
      throw new Unwritable(value.getClass().getName() + " is no value of section 4.3");
    }
  }

  private static void checkKeys(Set<?> keys) throws Unwritable {
    Set<String> folded = new HashSet<>();
    for (Object key : keys) {
      if (!(key instanceof String name)) {
        throw new Unwritable("a key that is no string");
      }
      checkText(name);
      if (!folded.add(foldAscii(name))) {
        throw new Unwritable("two keys differ only in case: " + name + " [VAL-6]");
      }
    }
  }

  private static String foldAscii(String name) {
    StringBuilder folded = new StringBuilder(name);
    for (int at = 0; at < name.length(); at++) {
      char letter = name.charAt(at);
      folded.setCharAt(at, letter >= 'A' && letter <= 'Z' ? (char) (letter + 32) : letter);
    }
    return folded.toString();
  }

  private static void checkText(String text) throws Unwritable {
    for (int at = 0; at < text.length(); at += Character.charCount(text.codePointAt(at))) {
      int point = text.codePointAt(at);
      if (point >= 0xd800 && point <= 0xdfff) {
        throw new Unwritable("half a surrogate pair [VAL-7]");
      }
    }
  }
}
