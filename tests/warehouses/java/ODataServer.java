import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.InetSocketAddress;
import java.net.URI;
import java.sql.Timestamp;
import java.time.Instant;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.GregorianCalendar;
import java.util.List;
import java.util.Locale;
import java.util.TimeZone;
import org.apache.olingo.commons.api.data.ContextURL;
import org.apache.olingo.commons.api.data.Entity;
import org.apache.olingo.commons.api.data.EntityCollection;
import org.apache.olingo.commons.api.data.Property;
import org.apache.olingo.commons.api.data.ValueType;
import org.apache.olingo.commons.api.edm.EdmEntitySet;
import org.apache.olingo.commons.api.edm.EdmEnumType;
import org.apache.olingo.commons.api.edm.EdmPrimitiveTypeKind;
import org.apache.olingo.commons.api.edm.EdmType;
import org.apache.olingo.commons.api.edm.FullQualifiedName;
import org.apache.olingo.commons.api.edm.provider.CsdlAbstractEdmProvider;
import org.apache.olingo.commons.api.edm.provider.CsdlEntityContainer;
import org.apache.olingo.commons.api.edm.provider.CsdlEntityContainerInfo;
import org.apache.olingo.commons.api.edm.provider.CsdlEntitySet;
import org.apache.olingo.commons.api.edm.provider.CsdlEntityType;
import org.apache.olingo.commons.api.edm.provider.CsdlProperty;
import org.apache.olingo.commons.api.edm.provider.CsdlPropertyRef;
import org.apache.olingo.commons.api.edm.provider.CsdlSchema;
import org.apache.olingo.commons.api.format.ContentType;
import org.apache.olingo.commons.api.http.HttpMethod;
import org.apache.olingo.commons.api.http.HttpStatusCode;
import org.apache.olingo.server.api.OData;
import org.apache.olingo.server.api.ODataApplicationException;
import org.apache.olingo.server.api.ODataHandler;
import org.apache.olingo.server.api.ODataLibraryException;
import org.apache.olingo.server.api.ODataRequest;
import org.apache.olingo.server.api.ODataResponse;
import org.apache.olingo.server.api.ServiceMetadata;
import org.apache.olingo.server.api.processor.EntityCollectionProcessor;
import org.apache.olingo.server.api.serializer.EntityCollectionSerializerOptions;
import org.apache.olingo.server.api.uri.UriInfo;
import org.apache.olingo.server.api.uri.UriResource;
import org.apache.olingo.server.api.uri.UriResourceEntitySet;
import org.apache.olingo.server.api.uri.UriResourcePrimitiveProperty;
import org.apache.olingo.server.api.uri.queryoption.expression.BinaryOperatorKind;
import org.apache.olingo.server.api.uri.queryoption.expression.Expression;
import org.apache.olingo.server.api.uri.queryoption.expression.ExpressionVisitException;
import org.apache.olingo.server.api.uri.queryoption.expression.ExpressionVisitor;
import org.apache.olingo.server.api.uri.queryoption.expression.Literal;
import org.apache.olingo.server.api.uri.queryoption.expression.Member;
import org.apache.olingo.server.api.uri.queryoption.expression.MethodKind;
import org.apache.olingo.server.api.uri.queryoption.expression.UnaryOperatorKind;

/**
 * Apache Olingo with one collection, `/odata/Orders`, of the rows in a JSON file. Prints its port on 127.0.0.1.
 *
 * Requests are read, and answers written, by Olingo; what an expression means row by row is below.
 */
public class ODataServer extends CsdlAbstractEdmProvider implements EntityCollectionProcessor {
    static final FullQualifiedName ORDER = new FullQualifiedName("Sales", "Order");
    static final FullQualifiedName CONTAINER = new FullQualifiedName("Sales", "Container");
    static final Object[][] PROPERTIES = {
        {"Id", EdmPrimitiveTypeKind.Int32}, {"Region", EdmPrimitiveTypeKind.String},
        {"Customer", EdmPrimitiveTypeKind.Int64}, {"Amount", EdmPrimitiveTypeKind.Decimal},
        {"Day", EdmPrimitiveTypeKind.Date}, {"At", EdmPrimitiveTypeKind.DateTimeOffset},
        {"Active", EdmPrimitiveTypeKind.Boolean}, {"Email", EdmPrimitiveTypeKind.String},
    };

    final List<JsonNode> rows = new ArrayList<>();
    OData odata;
    ServiceMetadata metadata;

    public static void main(String[] arguments) throws Exception {
        ODataServer server = new ODataServer();
        new ObjectMapper().readTree(new File(arguments[0])).forEach(server.rows::add);
        HttpServer http = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        http.createContext("/odata", server::serve);
        http.start();
        System.out.println(http.getAddress().getPort());
    }

    void serve(HttpExchange exchange) throws IOException {
        OData odata = OData.newInstance();
        ODataHandler handler =
            odata.createRawHandler(odata.createServiceMetadata(this, new ArrayList<>()));
        handler.register(this);
        URI uri = exchange.getRequestURI();
        ODataRequest request = new ODataRequest();
        request.setMethod(HttpMethod.valueOf(exchange.getRequestMethod()));
        request.setProtocol(exchange.getProtocol());
        request.setBody(new ByteArrayInputStream(exchange.getRequestBody().readAllBytes()));
        exchange.getRequestHeaders().forEach(request::addHeader);
        request.setRawBaseUri("/odata");
        request.setRawRequestUri(uri.toString());
        request.setRawODataPath(uri.getRawPath().substring("/odata".length()));
        request.setRawQueryPath(uri.getRawQuery());
        ODataResponse response = handler.process(request);
        byte[] body = response.getContent() == null ? new byte[0] : response.getContent().readAllBytes();
        response.getAllHeaders().forEach((name, values) -> exchange.getResponseHeaders().put(name, values));
        boolean bare = body.length == 0 || request.getMethod() == HttpMethod.HEAD;
        exchange.sendResponseHeaders(response.getStatusCode(), bare ? -1 : body.length);
        if (!bare) {
            exchange.getResponseBody().write(body);
        }
        exchange.close();
    }

    @Override
    public void init(OData odata, ServiceMetadata metadata) {
        this.odata = odata;
        this.metadata = metadata;
    }

    @Override
    public void readEntityCollection(ODataRequest request, ODataResponse response, UriInfo uri, ContentType format)
        throws ODataApplicationException, ODataLibraryException {
        EdmEntitySet set = ((UriResourceEntitySet) uri.getUriResourceParts().get(0)).getEntitySet();
        EntityCollection found = new EntityCollection();
        for (JsonNode row : rows) {
            if (uri.getFilterOption() == null || holds(uri.getFilterOption().getExpression(), row)) {
                found.getEntities().add(entity(row));
            }
        }
        found.setCount(found.getEntities().size());
        if (uri.getSkipOption() != null) {
            int skipped = Math.min(uri.getSkipOption().getValue(), found.getEntities().size());
            found.getEntities().subList(0, skipped).clear();
        }
        if (uri.getTopOption() != null) {
            int kept = Math.min(uri.getTopOption().getValue(), found.getEntities().size());
            found.getEntities().subList(kept, found.getEntities().size()).clear();
        }
        String selected = odata.createUriHelper()
            .buildContextURLSelectList(set.getEntityType(), null, uri.getSelectOption());
        EntityCollectionSerializerOptions options = EntityCollectionSerializerOptions.with()
            .contextURL(ContextURL.with().entitySet(set).selectList(selected).build())
            .id("/odata/Orders").count(uri.getCountOption()).select(uri.getSelectOption()).build();
        response.setContent(odata.createSerializer(format)
            .entityCollection(metadata, set.getEntityType(), found, options).getContent());
        response.setStatusCode(HttpStatusCode.OK.getStatusCode());
        response.setHeader("Content-Type", format.toContentTypeString());
    }

    static boolean holds(Expression filter, JsonNode row) throws ODataApplicationException {
        try {
            return Boolean.TRUE.equals(filter.accept(new RowVisitor(row)));
        } catch (ExpressionVisitException | RuntimeException error) {
            throw RowVisitor.notThere();
        }
    }

    static Entity entity(JsonNode row) {
        Entity entity = new Entity();
        for (Object[] property : PROPERTIES) {
            String name = (String) property[0];
            entity.addProperty(new Property(null, name, ValueType.PRIMITIVE, shown(name, value(row, name))));
        }
        return entity;
    }

    static Object shown(String name, Object value) {
        if (value instanceof BigDecimal number && !name.equals("Amount")) {
            return name.equals("Id") ? (Object) number.intValueExact() : (Object) number.longValueExact();
        }
        if (value instanceof Instant instant) {
            return Timestamp.from(instant);
        }
        if (value instanceof LocalDate day) {
            GregorianCalendar calendar = new GregorianCalendar(TimeZone.getTimeZone("GMT"));
            calendar.clear();
            calendar.set(day.getYear(), day.getMonthValue() - 1, day.getDayOfMonth());
            return calendar;
        }
        return value;
    }

    static Object value(JsonNode row, String name) {
        JsonNode value = row.get(name);
        if (value == null || value.isNull()) {
            return null;
        }
        return switch (name) {
            case "Active" -> value.booleanValue();
            case "Region", "Email" -> value.textValue();
            case "Day" -> LocalDate.parse(value.textValue());
            case "At" -> OffsetDateTime.parse(value.textValue()).toInstant();
            default -> new BigDecimal(value.asText());
        };
    }

    @Override
    public CsdlEntityType getEntityType(FullQualifiedName name) {
        List<CsdlProperty> properties = new ArrayList<>();
        for (Object[] property : PROPERTIES) {
            EdmPrimitiveTypeKind kind = (EdmPrimitiveTypeKind) property[1];
            CsdlProperty made = new CsdlProperty().setName((String) property[0]).setType(kind.getFullQualifiedName());
            if (kind == EdmPrimitiveTypeKind.DateTimeOffset) {
                made.setPrecision(6);
            }
            if (kind == EdmPrimitiveTypeKind.Decimal) {
                made.setPrecision(38).setScale(10);
            }
            properties.add(made);
        }
        return new CsdlEntityType().setName("Order").setProperties(properties)
            .setKey(List.of(new CsdlPropertyRef().setName("Id")));
    }

    @Override
    public CsdlEntitySet getEntitySet(FullQualifiedName container, String name) {
        return name.equals("Orders") ? new CsdlEntitySet().setName(name).setType(ORDER) : null;
    }

    @Override
    public CsdlEntityContainer getEntityContainer() {
        return new CsdlEntityContainer().setName("Container").setEntitySets(List.of(getEntitySet(CONTAINER, "Orders")));
    }

    @Override
    public CsdlEntityContainerInfo getEntityContainerInfo(FullQualifiedName name) {
        return name == null || name.equals(CONTAINER)
            ? new CsdlEntityContainerInfo().setContainerName(CONTAINER) : null;
    }

    @Override
    public List<CsdlSchema> getSchemas() {
        return List.of(new CsdlSchema().setNamespace("Sales").setEntityTypes(List.of(getEntityType(ORDER)))
            .setEntityContainer(getEntityContainer()));
    }

    /** Section 5.1.1 of the URL conventions: null equals null, and is neither less nor greater than anything. */
    record RowVisitor(JsonNode row) implements ExpressionVisitor<Object> {
        @Override
        public Object visitBinaryOperator(BinaryOperatorKind operator, Object left, Object right)
            throws ODataApplicationException {
            return switch (operator) {
                case AND -> logical(left, right, false);
                case OR -> logical(left, right, true);
                case EQ -> left == null || right == null ? left == right : compared(left, right) == 0;
                case NE -> left == null || right == null ? left != right : compared(left, right) != 0;
                case GT -> left != null && right != null && compared(left, right) > 0;
                case GE -> left != null && right != null && compared(left, right) >= 0;
                case LT -> left != null && right != null && compared(left, right) < 0;
                case LE -> left != null && right != null && compared(left, right) <= 0;
                default -> throw notThere();
            };
        }

        static Object logical(Object left, Object right, boolean decides) {
            if (Boolean.valueOf(decides).equals(left) || Boolean.valueOf(decides).equals(right)) {
                return decides;
            }
            return left == null || right == null ? null : Boolean.valueOf(!decides);
        }

        @SuppressWarnings("unchecked")
        static int compared(Object left, Object right) throws ODataApplicationException {
            if (left.getClass() != right.getClass()) {
                throw notThere();
            }
            return ((Comparable<Object>) left).compareTo(right);
        }

        @Override
        public Object visitBinaryOperator(BinaryOperatorKind operator, Object left, List<Object> right)
            throws ODataApplicationException {
            for (Object value : right) {
                if (Boolean.TRUE.equals(visitBinaryOperator(BinaryOperatorKind.EQ, left, value))) {
                    return true;
                }
            }
            return false;
        }

        @Override
        public Object visitUnaryOperator(UnaryOperatorKind operator, Object operand) throws ODataApplicationException {
            if (operator == UnaryOperatorKind.NOT) {
                return operand == null ? null : Boolean.valueOf(!(Boolean) operand);
            }
            return operand == null ? null : ((BigDecimal) operand).negate();
        }

        @Override
        public Object visitMethodCall(MethodKind method, List<Object> given) throws ODataApplicationException {
            if (given.contains(null)) {
                return null;
            }
            String text = given.get(0).toString();
            return switch (method) {
                case CONTAINS -> text.contains(given.get(1).toString());
                case STARTSWITH -> text.startsWith(given.get(1).toString());
                case ENDSWITH -> text.endsWith(given.get(1).toString());
                case TOLOWER -> text.toLowerCase(Locale.ROOT);
                case LENGTH -> new BigDecimal(text.codePointCount(0, text.length()));
                default -> throw notThere();
            };
        }

        @Override
        public Object visitLiteral(Literal literal) throws ODataApplicationException {
            String text = literal.getText();
            if (literal.getType() == null) {
                return null;
            }
            return switch (literal.getType().getName()) {
                case "String" -> text.substring(1, text.length() - 1).replace("''", "'");
                case "Boolean" -> Boolean.valueOf(text);
                case "Date" -> LocalDate.parse(text);
                case "DateTimeOffset" -> OffsetDateTime.parse(text).toInstant();
                default -> new BigDecimal(text);
            };
        }

        @Override
        public Object visitMember(Member member) throws ODataApplicationException {
            List<UriResource> parts = member.getResourcePath().getUriResourceParts();
            if (parts.size() != 1 || !(parts.get(0) instanceof UriResourcePrimitiveProperty property)) {
                throw notThere();
            }
            return value(row, property.getProperty().getName());
        }

        @Override
        public Object visitLambdaExpression(String function, String variable, Expression expression)
            throws ODataApplicationException {
            throw notThere();
        }

        @Override
        public Object visitAlias(String name) throws ODataApplicationException {
            throw notThere();
        }

        @Override
        public Object visitTypeLiteral(EdmType type) throws ODataApplicationException {
            throw notThere();
        }

        @Override
        public Object visitLambdaReference(String variable) throws ODataApplicationException {
            throw notThere();
        }

        @Override
        public Object visitEnum(EdmEnumType type, List<String> values) throws ODataApplicationException {
            throw notThere();
        }

        static ODataApplicationException notThere() {
            return new ODataApplicationException("not here", 501, Locale.ROOT);
        }
    }
}
